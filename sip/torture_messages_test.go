package sip

import (
	"strconv"
	"strings"
)

// torture is a message of RFC 4475 or RFC 5118 and how it may be answered: by
// the status that the RFC asks for, or by one that it tolerates. 0 is no answer
// at all; 1 stands for a call that reaches its script.
type torture struct {
	name, section string
	strict        []int
	lenient       []int
	text          string
}

// crlf writes a message as it goes over the wire.
func crlf(s string) string {
	return strings.ReplaceAll(strings.TrimPrefix(s, "\n"), "\n", "\r\n")
}

// sdpText is the session description of most of the INVITEs.
const sdpText = `v=0
o=mhandley 29739 7272939 IN IP4 192.0.2.3
s=-
c=IN IP4 192.0.2.4
t=0 0
m=audio 49217 RTP/AVP 0 12
m=video 3227 RTP/AVP 31
a=rtpmap:31 LPC
`

// withBody appends a body and its Content-Length.
func withBody(head, kind, body string) string {
	body = crlf(body)
	return crlf(head) + "Content-Type: " + kind + "\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

// Where a request is judged by what a registrar or an endpoint says about it,
// these are the right answers to one that is well-formed.
var (
	reaches   = []int{1}
	registers = []int{200, 401, 403, 404}
	silent    = []int{0}
	ok200     = []int{200}
	bad400    = []int{400}
	noMethod  = []int{405, 501}
)

// rfc4475 are its 49 messages.
func rfc4475() []torture {
	return append(append(tortureValid(), tortureInvalid()...), tortureUpper()...)
}

// tortureValid is §3.1.1: right, however odd it looks.
func tortureValid() []torture {
	return []torture{
		{"wsinv", "3.1.1.1", []int{1, 481}, nil, // its To has a tag: a dialog that we do not know
			withBody(`
INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0
TO :
 sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n
from   : "J Rosenberg \\\""       <sip:jdrosen@example.com>
  ;
  tag = 98asjd8
MaX-fOrWaRdS: 0068
Call-ID: wsinv.ndaksdj@192.0.2.1
cseq: 0009
  INVITE
Via  : SIP  /   2.0
 /UDP
    192.0.2.2;branch=390skdjuw
s :
NewFangledHeader:   newfangled value
 continued newfangled value
UnknownHeaderWithUnusualValue: ;;,,;;,;
Route:
 <sip:services.example.com;lr;unknownwith=value;unknown-no-value>
v:  SIP  / 2.0  / TCP     spindle.example.com   ;
  branch  =   z9hG4bK9ikj8  ,
 SIP  /    2.0   / UDP  192.168.255.111   ; branch=
 z9hG4bK30239
m:"Quoted string \"\"" <sip:jdrosen@example.com> ; newparam =
      newvalue ;
  secondparam ; q = 0.33
`, "application/sdp", sdpText)},
		{"intmeth", "3.1.1.2", noMethod, nil, crlf(`
!interesting-Method0123456789_*+` + "`" + `.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0
Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+` + "`" + `'~
To: "BEL:\` + "\x07" + ` NUL:\` + "\x00" + ` DEL:\` + "\x7f" + `" <sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com>
From: token1~` + "`" + ` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%="` + "\u0440\u0430\u0431\u043e\u0442\u0430\u044e\u0449\u0438\u0439" + `";tag=_token~1'+` + "`" + `*%!-.
Call-ID: intmeth.word%ZK-!.*_+'@word` + "`" + `~)(><:\/"][?}{
CSeq: 139122385 !interesting-Method0123456789_*+` + "`" + `.%indeed'~
Max-Forwards: 255
extensionHeader-!.%*+_` + "`" + `'~: ` + "\ufeff\u5927\u505c\u96fb" + `
Content-Length: 0

`)},
		{"esc01", "3.1.1.3", reaches, nil, withBody(`
INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0
To: sip:%75se%72@example.com
From: <sip:I%20have%20spaces@example.net>;tag=938
Max-Forwards: 87
i: esc01.239409asdfakjkn23onasd0-3234
CSeq: 234234 INVITE
Via: SIP/2.0/UDP host5.example.net;branch=z9hG4bKkdjuw
Contact: <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>
`, "application/sdp", sdpText)},
		{"escnull", "3.1.1.4", registers, nil, crlf(`
REGISTER sip:example.com SIP/2.0
To: sip:null-%00-null@example.com
From: sip:null-%00-null@example.com;tag=839923423
Max-Forwards: 70
Call-ID: escnull.39203ndfvkjdasfkq3w4otrq0adsfdfnavd
CSeq: 14398234 REGISTER
Via: SIP/2.0/UDP host5.example.com;branch=z9hG4bKkdjuwesc
Contact: <sip:%00@host5.example.com>
Contact: <sip:%00%00@host5.example.com>
L:0

`)},
		{"esc02", "3.1.1.5", noMethod, nil, crlf(`
RE%47IST%45R sip:registrar.example.com SIP/2.0
To: "%Z%45" <sip:resource@example.com>
From: "%Z%45" <sip:resource@example.com>;tag=f232jadfj23
Call-ID: esc02.asdfnqwo34rq23i34jrjasdcnl23nrlknsdf
Via: SIP/2.0/TCP host.example.com;branch=z9hG4bK209%fzsnel234
CSeq: 29344 RE%47IST%45R
Max-Forwards: 70
Contact: <sip:alias1@host1.example.com>
C%6Fntact: <sip:alias2@host2.example.com>
Contact: <sip:alias3@host3.example.com>
l: 0

`)},
		{"lwsdisp", "3.1.1.6", ok200, nil, crlf(`
OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: caller<sip:caller@example.com>;tag=323
Max-Forwards: 70
Call-ID: lwsdisp.1234abcd@funky.example.com
CSeq: 60 OPTIONS
Via: SIP/2.0/UDP funky.example.com;branch=z9hG4bKkdjuwlws
l: 0

`)},
		{"longreq", "3.1.1.7", reaches, nil, longRequest()},
		{"dblreq", "3.1.1.8", registers, nil, crlf(`
REGISTER sip:example.com SIP/2.0
To: sip:j.user@example.com
From: sip:j.user@example.com;tag=43251j3j324
Max-Forwards: 8
I: dblreq.0ha0isndaksdj99sdfafnl3lk233412
Contact: sip:j.user@host.example.com
CSeq: 8 REGISTER
Via: SIP/2.0/UDP 192.0.2.125;branch=z9hG4bKkdjuw23492
Content-Length: 0


INVITE sip:joe@example.com SIP/2.0
t: sip:joe@example.com
From: sip:caller@example.net;tag=141334
Max-Forwards: 8
Call-ID: dblreq.0ha0isnda977644900765@192.0.2.15
CSeq: 8 INVITE
Via: SIP/2.0/UDP 192.0.2.15;branch=z9hG4bKkdjuw380234
Content-Length: 0

`)},
		{"semiuri", "3.1.1.9", ok200, nil, crlf(`
OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0
To: sip:j_user@example.com
From: sip:caller@example.org;tag=33242
Max-Forwards: 3
Call-ID: semiuri.0ha0isndaksdj
CSeq: 8 OPTIONS
Accept: application/sdp, application/pkcs7-mime,
        multipart/mixed, multipart/signed,
        message/sip, message/sipfrag
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKkdjuwsemi
l: 0

`)},
		{"transports", "3.1.1.10", ok200, nil, crlf(`
OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: <sip:caller@example.com>;tag=323
Max-Forwards: 70
Call-ID:  transports.kijh4akdnaqjkwendsasfdj
Accept: application/sdp
CSeq: 60 OPTIONS
Via: SIP/2.0/UDP t1.example.com;branch=z9hG4bKkdjuwtr
Via: SIP/2.0/SCTP t2.example.com;branch=z9hG4bKklasjdhf
Via: SIP/2.0/TLS t3.example.com;branch=z9hG4bK2980unddj
Via: SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0f3en
Via: SIP/2.0/TCP t5.example.com;branch=z9hG4bK0a9idfnee
l: 0

`)},
		{"mpart01", "3.1.1.11", []int{200, 202, 415}, []int{404}, withBody(`
MESSAGE sip:kumiko@example.org SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-d87543-4dade06d0bdb11ee-1--d87543-
Max-Forwards: 70
Route: <sip:127.0.0.1:5080>
Identity: r5mwreLuyDRYBi/0TiPwEsY3rEVsk/G2WxhgTV1PF7hHuLIK0YWVKZhKv9Mj8UeXqkMVbnVq37CD+813gvYjcBUaZngQmXc9WNZSDNGCzA+fWl9MEUHWIZo1CeJebdY/XlgKeTa0Olvq0rt70Q5jiSfbqMJmQFteeivUhkMWYUA=
Contact: <sip:fluffy@127.0.0.1:5070>
To: <sip:kumiko@example.org>
From: <sip:fluffy@example.com>;tag=2fb0dcc9
Call-ID: mpart01.3d9485ad0c49859b@Zmx1ZmZ5LW1hYy0xNi5sb2NhbA..
CSeq: 1 MESSAGE
Content-Transfer-Encoding: binary
Date: Sat, 15 Oct 2005 04:44:56 GMT
User-Agent: SIPimp.org/0.2.5 (curses)
`, "multipart/mixed;boundary=7a9cbec02ceef655", `--7a9cbec02ceef655
Content-Type: text/plain
Content-Transfer-Encoding: binary

Hello
--7a9cbec02ceef655
Content-Type: application/octet-stream
Content-Transfer-Encoding: binary

`+"\x30\x82\x01\x52\x06\x09\x2a\x86\x48\x86\xf7\x00\x0a\xff"+`
--7a9cbec02ceef655--`)},
		{"unreason", "3.1.1.12", silent, nil, crlf(`
SIP/2.0 200 = 2**3 * 5**2 ` + "\u043d\u043e \u0441\u0442\u043e \u0434\u0435\u0432\u044f\u043d\u043e\u0441\u0442\u043e \u0434\u0435\u0432\u044f\u0442\u044c" + ` - простое
Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923
Call-ID: unreason.1234ksdfak3j2erwedfsASdf
CSeq: 35 INVITE
From: sip:user@example.com;tag=11141343
To: sip:user@example.edu;tag=2229
Content-Length: 0
Contact: <sip:user@host198.example.com>

`)},
		{"noreason", "3.1.1.13", silent, nil, crlf(`
SIP/2.0 100 
Via: SIP/2.0/UDP 192.0.2.105;branch=z9hG4bK2398ndaoe
Call-ID: noreason.asndj203insdf99223ndf
CSeq: 35 INVITE
From: <sip:user@example.com>;tag=39ansfi3
To: <sip:user@example.edu>;tag=902jndnke3
Content-Length: 0
Contact: <sip:user@host105.example.com>

`)},
	}
}

// longRequest is 3.1.1.7.
func longRequest() string {
	long := func(s string, n int) string { return strings.Repeat(s, n) }
	head := `
INVITE sip:user@example.com SIP/2.0
To: "I have a user name of ` + long("extreme", 10) + ` proportion"<sip:user@example.com:6000;unknownparam1=very` + long("long", 20) + `value;longparam` + long("name", 25) + `=shortvalue;very` + long("long", 25) + `ParameterNameWithNoValue>
F: sip:` + long("amazinglylongcallername", 5) + `@example.net;tag=12` + long("982", 50) + `424;unknownheaderparam` + long("name", 20) + `=unknowheaderparam` + long("value", 15) + `;unknownValueless` + long("paramname", 10) + `
Call-ID: longreq.one` + long("really", 20) + `longcallid
CSeq: 3882340 INVITE
Unknown-` + long("Long", 20) + `-Name: unknown-` + long("long", 20) + `-value; unknown-` + long("long", 20) + `-parameter-name = unknown-` + long("long", 20) + `-parameter-value
Via: SIP/2.0/TCP sip33.example.com
`
	var b strings.Builder
	b.WriteString(head)
	for i := 32; i > 0; i-- {
		b.WriteString("v: SIP/2.0/TCP sip" + strconv.Itoa(i) + ".example.com\n")
	}
	b.WriteString("Max-Forwards: 70\nContact: <sip:" + long("amazinglylongcallername", 5) + "@host5.example.net>\n")
	return withBody(b.String(), "application/sdp", sdpText)
}
