// Package probe finds out what a person would want to know who looks after a
// port: what speaks there, who holds it here, and which command lets it through
// this system's firewall.
package probe

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// MaxDump bounds Dump, in bytes.
const MaxDump = 256

// Dump shows the first 256 bytes in hex and text, 16 a line.
func Dump(data []byte) string {
	var b strings.Builder
	data = data[:min(len(data), MaxDump)]
	for at := 0; at < len(data); at += 16 {
		line := data[at:min(at+16, len(data))]
		fmt.Fprintf(&b, "%04x  ", at)
		for i := range 16 {
			if i < len(line) {
				fmt.Fprintf(&b, "%02x ", line[i])
			} else {
				b.WriteString("   ")
			}
			if i == 7 {
				b.WriteByte(' ')
			}
		}
		b.WriteString(" |")
		for _, c := range line {
			if c < ' ' || c > '~' {
				c = '.'
			}
			b.WriteByte(c)
		}
		b.WriteString("|\n")
	}
	return b.String()
}

var (
	ftpCode = regexp.MustCompile(`^(220|421|530)[ -]`)
	mail    = regexp.MustCompile(`(?i)e?smtp|postfix|exim|sendmail`)
	// The lines of an SMDR output begin with a date, some behind a mark of one byte.
	smdrLine = regexp.MustCompile(`^[\x00-\x20%*+-]{0,2}\d{1,2}[/.-]\d{1,2}([/.-]\d{2,4})?\s+\d{1,2}:\d{2}`)
	// A 3300 writes its date without a year, and the duration with seconds.
	mitelLine = regexp.MustCompile(`^[\x00-\x20%+-]?\d{2}/\d{2} \d{2}:\d{2}[ap ]? ?\d{2,4}:\d{2}:\d{2}`)
	// Avaya's SMDR lines are columns with commas.
	avayaLine = regexp.MustCompile(`^\d{4}/\d{2}/\d{2} \d{2}:\d{2}:\d{2},`)
)

// Guess tells what speaks, by its first bytes; empty: nobody knows.
func Guess(first []byte) string {
	text := string(first)
	line, _, _ := strings.Cut(strings.TrimLeft(text, "\r\n"), "\n")
	line = printable(strings.TrimRight(line, "\r"))
	switch {
	case len(first) == 0:
		return ""
	case strings.HasPrefix(text, "SSH-"):
		return "SSH (" + line + ")"
	case strings.HasPrefix(text, "HTTP/"), strings.HasPrefix(strings.ToLower(text), "<!doctype html"), strings.HasPrefix(strings.ToLower(text), "<html"):
		return "a web server (HTTP)"
	case strings.HasPrefix(text, "SIP/2.0"):
		return "SIP, a telephone signalling port"
	case strings.HasPrefix(text, "Asterisk Call Manager/"):
		return "Asterisk's manager interface (AMI), which is no ticket output"
	case len(first) >= 3 && first[0] == 0x15 && first[1] == 3 && first[2] <= 4, len(first) >= 3 && first[0] == 0x16 && first[1] == 3:
		return "TLS: what speaks there is encrypted"
	case isMySQL(first):
		return "a MySQL or MariaDB server"
	case len(first) >= 3 && first[0] == 0xff && first[1] >= 0xfb && first[1] <= 0xfe:
		return "telnet" + behindTelnet(first)
	case ftpCode.MatchString(text) && mail.MatchString(line):
		return "a mail server (SMTP)"
	case ftpCode.MatchString(text):
		return "FTP (" + line + ")"
	case strings.HasPrefix(text, "+OK"):
		return "a mail server (POP3)"
	case strings.HasPrefix(text, "* OK"):
		return "a mail server (IMAP)"
	case strings.HasPrefix(text, "RFB "):
		return "VNC, a remote screen"
	case strings.HasPrefix(text, "@RSYNCD"):
		return "rsync"
	case panasonic(text):
		return "the SMDR prompt of a Panasonic KX (wire tcp.dial, which logs in)"
	case mitelLine.MatchString(text):
		return "SMDR lines as a Mitel 3300 writes them"
	case avayaLine.MatchString(text):
		return "SMDR lines as an Avaya IP Office writes them"
	case smdrLine.MatchString(text):
		return "the SMDR lines of a PBX"
	case asks(text):
		return "a log-in dialogue (" + printable(strings.TrimSpace(text)) + ")"
	}
	return ""
}

// isMySQL: a packet of length and number 0, of protocol 10 and a version, or of an
// error that comes before it.
func isMySQL(b []byte) bool {
	if len(b) < 6 || b[3] != 0 || int(b[0])|int(b[1])<<8|int(b[2])<<16 > 1024 {
		return false
	}
	return b[4] == 10 && b[5] >= '0' && b[5] <= '9' || b[4] == 0xff && len(b) >= 7 && b[6] >= 3 && b[6] <= 5
}

func panasonic(text string) bool {
	text = strings.TrimSpace(text)
	return text == "-" || strings.Contains(text, "Enter Password:") && strings.Contains(text, "SMDR")
}

func asks(text string) bool {
	text = strings.ToLower(strings.TrimSpace(text))
	return strings.HasSuffix(text, "login:") || strings.HasSuffix(text, "password:") || strings.HasSuffix(text, "username:")
}

// behindTelnet is what follows the options.
func behindTelnet(b []byte) string {
	for len(b) >= 3 && b[0] == 0xff {
		b = b[3:]
	}
	if text := printable(strings.TrimSpace(string(b))); text != "" {
		return " (" + text + ")"
	}
	return ""
}

func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}
