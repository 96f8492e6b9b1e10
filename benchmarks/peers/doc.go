// Package peers is what feedd is measured beside: servers that a team would otherwise run or write, each configured at
// its best for this work, each fed from the same NATS with the same ticks.
//
//	centrifuge  the library of Centrifugo, the strongest open peer, in the variants that its settings allow
//	broadcast   fifty lines around gws: the newest quotes of all instruments to everybody, at a beat
//
// Settings that cost it something and that this comparison does not need are off: history, recovery, positions,
// presence, compression, logs. So its clients get no snapshot, which feedd's do.
package peers
