// Package phone is a user agent for tests, written against the RFCs and not
// against this program: SIP text by hand (RFC 3261), RTP bytes by hand (RFC
// 3550, RFC 4733), its own G.711 and tone detection. It shares no code with
// packages sip and media, so that a mistake there cannot hide here.
//
// It does by itself only what every phone must: it acknowledges final answers,
// answers BYE, CANCEL and OPTIONS, and numbers its requests. Everything else is
// the test's to do and to look at: every message and every packet is kept.
//
// # Concurrency
//
// A Phone and its Calls are driven by the test's goroutine; reading happens on
// goroutines of the phone and never fails the test from there.
//
// # Limits
//
// A call keeps mailbox unread messages, a phone that many new calls; what is
// more is dropped, and the test that waits for it fails.
package phone
