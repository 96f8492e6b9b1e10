package sim

import (
	"fmt"
	"strings"

	"github.com/feedd/feedd/market"
)

// Venue is that of all simulated instruments but test:FAKE.
const Venue = "sim"

// listing is an instrument and what its market is like. Sizes are in scaled units.
type listing struct {
	instrument market.Instrument
	price      int64 // where it begins, in price steps
	spread     int64 // usual width, in price steps
	size       int64 // typical size at the best price
}

// catalogueEntry is a listing as people write it.
type catalogueEntry struct {
	name, description, base, quote string
	price                          string
	priceScale                     uint8
	priceStep, spread              int64
	sizeScale                      uint8
	sizeStep, size                 int64
}

// catalogue is ordered from busy to quiet. Some names need escaping in NATS subjects, on purpose.
var catalogue = []catalogueEntry{
	{"BTC-USD", "Bitcoin", "BTC", "USD", "61837.63", 2, 1, 1, 5, 1, 60_000},
	{"ETH-USD", "Ether", "ETH", "USD", "2683.80", 2, 1, 1, 4, 1, 90_000},
	{"EUR/USD", "Euro", "EUR", "USD", "1.09172", 5, 1, 2, 0, 100_000, 3_000_000},
	{"ACME", "Acme Corporation", "", "USD", "187.42", 2, 1, 1, 0, 1, 400},
	{"SOL-USD", "Solana", "SOL", "USD", "154.32", 2, 1, 1, 3, 1, 90_000},
	{"BRK.B", "Brook Holdings, class B", "", "USD", "431.25", 2, 1, 3, 0, 1, 150},
	{"BTC-PERP", "Bitcoin, perpetual", "BTC", "USD", "61840.1", 1, 1, 1, 3, 1, 20_000},
	{"USD/JPY", "US dollar in yen", "USD", "JPY", "147.213", 3, 1, 2, 0, 100_000, 2_000_000},
	{"XRP-USD", "XRP", "XRP", "USD", "0.6123", 4, 1, 1, 0, 1, 9_000},
	{"GBP/USD", "Pound sterling", "GBP", "USD", "1.27461", 5, 1, 2, 0, 100_000, 2_000_000},
	{"DOGE-USD", "Dogecoin", "DOGE", "USD", "0.10234", 5, 1, 1, 0, 1, 40_000},
	{"NRTH", "Northern Lights Energy", "", "USD", "58.91", 2, 1, 1, 0, 1, 700},
	{"AVAX-USD", "Avalanche", "AVAX", "USD", "21.87", 2, 1, 1, 2, 1, 8_000},
	{"USD/CHF", "US dollar in francs", "USD", "CHF", "0.86533", 5, 1, 3, 0, 100_000, 2_000_000},
	{"HELX", "Helix Biologics", "", "USD", "92.07", 2, 1, 2, 0, 1, 300},
	{"ADA-USD", "Cardano", "ADA", "USD", "0.3421", 4, 1, 1, 0, 1, 12_000},
	{"AUD/USD", "Australian dollar", "AUD", "USD", "0.65821", 5, 1, 2, 0, 100_000, 2_000_000},
	{"LTC-USD", "Litecoin", "LTC", "USD", "63.21", 2, 1, 1, 3, 1, 25_000},
	{"TDWR", "Tidewater Shipping", "", "USD", "34.18", 2, 1, 1, 0, 1, 900},
	{"PEPE-USD", "Pepe", "PEPE", "USD", "0.0000081234", 10, 1, 3, 0, 1, 60_000_000},
	{"USD/CAD", "US dollar in Canadian", "USD", "CAD", "1.37342", 5, 1, 3, 0, 100_000, 2_000_000},
	{"DOT-USD", "Polkadot", "DOT", "USD", "4.512", 3, 1, 1, 2, 1, 30_000},
	{"QRTZ", "Quartz Semiconductor", "", "USD", "118.66", 2, 1, 2, 0, 1, 350},
	{"BCH-USD", "Bitcoin Cash", "BCH", "USD", "334.5", 1, 1, 1, 4, 1, 15_000},
	{"EUR/JPY", "Euro in yen", "EUR", "JPY", "160.714", 3, 1, 4, 0, 100_000, 1_000_000},
	{"UNI-USD", "Uniswap", "UNI", "USD", "6.213", 3, 1, 2, 2, 1, 15_000},
	{"LOOM", "Loomis Textiles", "", "USD", "12.44", 2, 1, 1, 0, 1, 2_000},
	{"NEAR-USD", "Near", "NEAR", "USD", "4.187", 3, 1, 1, 1, 1, 4_000},
	{"EUR/GBP", "Euro in pounds", "EUR", "GBP", "0.85651", 5, 1, 3, 0, 100_000, 1_000_000},
	{"ATOM-USD", "Cosmos", "ATOM", "USD", "5.012", 3, 1, 1, 2, 1, 20_000},
	{"FERN", "Fernweh Travel", "", "USD", "77.35", 2, 1, 2, 0, 1, 250},
	{"SHIB-USD", "Shiba Inu", "SHIB", "USD", "0.000013821", 9, 1, 2, 0, 1, 40_000_000},
	{"NZD/USD", "New Zealand dollar", "NZD", "USD", "0.60144", 5, 1, 3, 0, 100_000, 1_000_000},
	{"XLM-USD", "Stellar", "XLM", "USD", "0.09912", 5, 1, 2, 0, 1, 15_000},
	{"OAK.A", "Oakwood Trust, class A", "", "USD", "245.10", 2, 1, 5, 0, 1, 100},
	{"FIL-USD", "Filecoin", "FIL", "USD", "3.641", 3, 1, 2, 2, 1, 12_000},
	{"PLVR", "Pelver Robotics", "", "USD", "163.02", 2, 1, 4, 0, 1, 120},
	{"USD/SEK", "US dollar in kronor", "USD", "SEK", "10.4813", 4, 1, 5, 0, 100_000, 1_000_000},
	{"ES-DEC", "Index future, December", "", "USD", "5344.25", 2, 25, 1, 0, 1, 60},
	{"ZN-DEC", "Ten-year note, December", "", "USD", "112.984375", 6, 15_625, 1, 0, 1, 900},
}

// list returns the first n listings: the catalogue, then made-up shares.
func list(n int) ([]listing, error) {
	listings := make([]listing, 0, n)
	for i := range n {
		e := catalogueEntry{}
		if i < len(catalogue) {
			e = catalogue[i]
		} else {
			e = share(i - len(catalogue))
		}
		l, err := e.listing()
		if err != nil {
			return nil, err
		}
		listings = append(listings, l)
	}
	return listings, nil
}

// asset tells what kind of thing an entry is from how its name is written.
func (e *catalogueEntry) asset() market.AssetClass {
	switch {
	case strings.HasSuffix(e.name, "-PERP"):
		return market.AssetPerpetual
	case strings.HasSuffix(e.name, "-DEC"):
		return market.AssetFuture
	case strings.Contains(e.name, "/"):
		return market.AssetFX
	case e.base != "":
		return market.AssetSpot
	}
	return market.AssetEquity
}

// session is when trading days begin: at the opening in New York for shares, at five in the afternoon there for
// currencies, at midnight UTC for the rest.
func session(asset market.AssetClass) (start int32, zone string) {
	switch asset {
	case market.AssetEquity:
		return 9*3600 + 1800, "America/New_York"
	case market.AssetFX:
		return 17 * 3600, "America/New_York"
	}
	return 0, ""
}

func (e *catalogueEntry) listing() (listing, error) {
	price, err := market.ParseDecimal(e.price, e.priceScale)
	if err != nil {
		return listing{}, fmt.Errorf("listing %s: %w", e.name, err)
	}
	asset := e.asset()
	opens, zone := session(asset)
	return listing{
		instrument: market.Instrument{
			Symbol:     market.Symbol{Venue: Venue, Name: e.name},
			PriceScale: e.priceScale, SizeScale: e.sizeScale, PriceStep: e.priceStep, SizeStep: e.sizeStep,
			Description: e.description + " (simulated)", Base: e.base, Quote: e.quote,
			Asset: asset, SessionStart: opens, TimeZone: zone,
		},
		price: price / e.priceStep, spread: e.spread, size: e.size,
	}, nil
}

const (
	consonants = "BCDFGHJKLMNPRSTVWXYZ"
	vowels     = "AEIOU"
	shares     = len(consonants) * len(vowels) * len(consonants) * len(vowels)
)

// MaxInstruments is how many instruments a Market can have.
const MaxInstruments = 10_000

// share makes up the i-th share beyond the catalogue; i is below shares. It is the same for every seed, so
// that a name keeps its scales.
func share(i int) catalogueEntry {
	// Neighbours get unlike names: the factor has no divisor in common with shares.
	k := (i*7919 + 4321) % shares
	var name [4]byte
	for at, letters := range [4]string{consonants, vowels, consonants, vowels} {
		name[at] = letters[k%len(letters)]
		k /= len(letters)
	}
	c := newChance(0, streamListings, i)
	cents := 500 + c.exponential(8_000)
	return catalogueEntry{
		name: string(name[:]), description: fmt.Sprintf("Made-up share %d", i+1), quote: "USD",
		price: string(market.AppendDecimal(nil, cents, 2)), priceScale: 2, priceStep: 1, spread: 1 + c.below(4),
		sizeStep: 1, size: 100 + c.exponential(500),
	}
}
