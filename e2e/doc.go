// Package e2e holds the end-to-end suites: the real binary on loopback, called
// by SIPp, by baresip and by the hand-written user agent of internal/phone.
//
// What is asserted is what the other side heard and saw: tones, digits, gaps
// and timestamps of RTP as it was captured, SIP messages, webhooks with their
// signatures, recordings sample by sample.
//
// LOOPSTART_BIN names the binary; without it the tests build one. Without
// SIPp or baresip the tests that need them are skipped, and fail when
// LOOPSTART_REQUIRE_E2E is 1. What this machine's kernel forbids, such as network
// namespaces, is skipped in both cases.
//
// # Concurrency
//
// Every test has a project folder, ports and processes of its own, and ends
// them: a test that leaves a process behind fails.
//
// # Limits
//
// A test takes at most testLimit, the whole suite a few minutes.
package e2e
