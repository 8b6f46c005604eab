package sip

// rfc5118 are the messages of RFC 5118, those with two forms both.
func rfc5118() []torture {
	const sdp6 = `v=0
o=assistant 971731711378798081 0 IN IP6 2001:db8::20
s=Live video feed for today's meeting
c=IN IP6 2001:db8::20
t=3338481189 3370017201
m=audio 6000 RTP/AVP 2
a=rtpmap:2 G726-32/8000
m=video 6024 RTP/AVP 107
a=rtpmap:107 H263-1998/90000
`
	register := func(call, uri, contact string) string {
		return crlf(`
REGISTER ` + uri + ` SIP/2.0
To: sip:user@example.com
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-` + call + `
Call-ID: ` + call + `.SSG9559905523997077@hlau_4100
Max-Forwards: 70
Contact: ` + contact + `
CSeq: 98176 REGISTER
Content-Length: 0

`)
	}
	bye := func(call, via string) string {
		return crlf(`
BYE sip:[2001:db8::10] SIP/2.0
To: sip:user@example.com;tag=bd76ya
From: sip:user@example.com;tag=81x2
` + via + `
Call-ID: ` + call + `.SSG9559905523997077@hlau_4100
Max-Forwards: 70
CSeq: 321 BYE
Content-Length: 0

`)
	}
	invite := func(call, via, contact, body string) string {
		return withBody(`
INVITE sip:user@[2001:db8::10] SIP/2.0
To: sip:user@[2001:db8::10]
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP `+via+`;branch=z9hG4bKas3-`+call+`
Call-ID: `+call+`.SSG9559905523997077@hlau_4100
Contact: `+contact+`
CSeq: 8612 INVITE
Max-Forwards: 70
`, "application/sdp", body)
	}
	const contact = `"Caller" <sip:caller@[2001:db8::1]>`
	unknown := []int{481}
	return []torture{
		{"ipv6-good", "4.1", registers, nil, register("good", "sip:[2001:db8::10]", contact)},
		{"ipv6-bad", "4.2", bad400, nil, register("bad", "sip:2001:db8::10", contact)},
		{"port-ambiguous", "4.3", registers, nil, register("amb", "sip:[2001:db8::10:5070]", contact)},
		{"port-unambiguous", "4.4", registers, nil, register("unamb", "sip:[2001:db8::10]:5070", contact)},
		{"via-received-param-with-delim", "4.5", unknown, nil, bye("delim", "Via: SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111")},
		{"via-received-param-no-delim", "4.5", unknown, nil, bye("nodelim", "Via: SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3")},
		{"ipv6-in-sdp", "4.6", reaches, nil, invite("sdp", "[2001:db8::20]", `"Caller" <sip:caller@[2001:db8::20]>`, sdp6)},
		{"mult-ip-in-header", "4.7", unknown, nil, bye("mult", `Via: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111m
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144
Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200`)},
		{"mult-ip-in-sdp", "4.8", reaches, nil, invite("multsdp", "[2001:db8::9:1]", contact, `v=0
o=bob 280744730 28977631 IN IP4 host.example.com
s=
t=0 0
m=audio 22334 RTP/AVP 0
c=IN IP4 192.0.2.1
m=video 6024 RTP/AVP 107
c=IN IP6 2001:db8::1
a=rtpmap:107 H263-1998/90000
`)},
		{"ipv4-mapped-ipv6", "4.9", reaches, nil, invite("mapped", "[::ffff:192.0.2.10]:19823", `<sip:user@[::ffff:192.0.2.10]:19823>`, `v=0
o=bob 280744730 28977631 IN IP6 ::ffff:192.0.2.2
s=
c=IN IP6 ::ffff:192.0.2.2
t=0 0
m=audio 22334 RTP/AVP 0
`)},
		{"ipv6-bug-abnf-3-colons", "4.10", bad400, nil, crlf(`
OPTIONS sip:user@[2001:db8:::192.0.2.1] SIP/2.0
To: sip:user@[2001:db8:::192.0.2.1]
From: sip:user@example.com;tag=810x2
Via: SIP/2.0/UDP lab1.east.example.com;branch=z9hG4bKas3-111abnf
Call-ID: abnf.G9559905523997077@hlau_4100
CSeq: 689 OPTIONS
Max-Forwards: 70
Content-Length: 0

`)},
	}
}
