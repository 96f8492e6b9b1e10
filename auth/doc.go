// Package auth finds out whom a token speaks for. A token is a JWT (RFC 7519) that names its user and what that one may
// have; see package entitlement for the form of the latter:
//
//	{
//	  "iss": "https://id.example.com", "aud": "feedd", "sub": "ada", "exp": 1767229200, "jti": "5f0c",
//	  "feedd": {"tier": "pro", "may": ["nyse:* quote,trade delayed", "binance:*"]}
//	}
//
// A Verifier trusts a few issuers, each with keys of its own: a set of public keys (JWKS) behind a URL or in a file, which
// may rotate, or a development key, with which "feedd token" makes tokens. What is checked follows RFC 8725:
//
//   - The algorithm belongs to the key, never to the token. Keys that are shared secrets are not taken from sets, so a
//     public key can never pass for one.
//   - A token is checked with the keys of the issuer that it names, and with no other. Issuer, audience, user and expiry
//     must be there; the clocks may differ by Config.Leeway.
//   - "kid" is looked up among known keys and nothing else. Headers that bring keys or say where they are do not count,
//     and those that must be understood (crit) are refused.
//
// A key that is not known makes the set be fetched anew, at a limited rate; a fetch that fails, or brings no usable key,
// leaves the last good set in place. Where whether a token is good cannot be found out, that is said
// (entitlement.ErrUnavailable), and is no refusal.
//
// Errors say what was wrong with a token, and never hold any of it.
package auth
