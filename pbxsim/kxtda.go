package pbxsim

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// KXTDA is a Panasonic KX-TDA/TDE/NS/NCP: it listens (port 2300 in the field), asks for a log-in, and prints pages.
type KXTDA struct {
	*server

	mu     sync.Mutex
	wrong  int
	locked time.Time // until when nobody is let in
}

const (
	kxUser     = "SMDR"
	kxPassword = "PCCSMDR"
	kxBuffer   = 40_000
	kxTries    = 3
	kxLogin    = time.Minute // for the whole dialogue
)

// NewKXTDA opens the listening socket; Run closes it.
func NewKXTDA(o Options) (*KXTDA, error) {
	if err := o.complete(panasonicKX); err != nil {
		return nil, err
	}
	if o.Listen == "" {
		return nil, fmt.Errorf("%s needs Listen", panasonicKX)
	}
	if o.Password == "" {
		o.Password = kxPassword
	}
	if o.Lock == 0 {
		o.Lock = time.Minute
	}
	enc, err := newPanasonic(o)
	if err != nil {
		return nil, err
	}
	s, err := newServer(o, enc, kxBuffer)
	if err != nil {
		return nil, err
	}
	k := &KXTDA{server: s}
	s.greet = k.login
	s.heads = enc.(*panasonic).heads
	return k, nil
}

const (
	telnetIAC  = 255
	telnetSB   = 250
	telnetSE   = 240
	telnetWill = 251
	telnetDont = 254
)

// login is the dialogue: hyphen, user, password. Characters are echoed, those of the password as stars.
func (k *KXTDA) login(ctx context.Context, conn net.Conn) error {
	k.mu.Lock()
	locked := k.o.Clock().Before(k.locked)
	k.mu.Unlock()
	if locked {
		return errors.New("locked after too many wrong passwords")
	}
	if err := conn.SetReadDeadline(time.Now().Add(kxLogin)); err != nil {
		return err
	}
	if ctx.Err() != nil { // its end sets a deadline too, perhaps before ours
		return ctx.Err()
	}
	say := func(s string) error {
		_, err := conn.Write([]byte(s))
		return err
	}
	if k.o.Telnet {
		if err := say("\xff\xfb\x01\xff\xfb\x03\xff\xfd\x03"); err != nil { // will echo, will and do suppress go-ahead
			return err
		}
	}
	if err := say("\r-"); err != nil {
		return err
	}
	r := bufio.NewReader(oneByte{conn})
	for {
		user, err := readLine(r, func(c byte) error { return say(string([]byte{c})) })
		if err != nil {
			return err
		}
		switch strings.ToUpper(user) {
		case "":
			err = say("\r-")
		case "Q":
			return errors.New("the client quit")
		case "HELP":
			err = say("\rSMDR  HELP  Q\r-")
		case kxUser:
			if err = say("\rEnter Password:"); err != nil {
				return err
			}
			var password string
			if password, err = readLine(r, func(byte) error { return say("*") }); err != nil {
				return err
			}
			if strings.EqualFold(password, k.o.Password) {
				k.mu.Lock()
				k.wrong = 0
				k.mu.Unlock()
				if err := say("\r\n"); err != nil {
					return err
				}
				return conn.SetReadDeadline(time.Time{})
			}
			if k.refuse() {
				_ = say("\rNo such command.\r")
				return errors.New("wrong password, for the last time")
			}
			err = say("\rNo such command.\r-")
		default:
			err = say("\rNo such command.\r-")
		}
		if err != nil {
			return err
		}
	}
}

// refuse counts a wrong password; true when that was one too many.
func (k *KXTDA) refuse() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.wrong++; k.wrong < kxTries {
		return false
	}
	k.wrong, k.locked = 0, k.o.Clock().Add(k.o.Lock)
	return true
}

// oneByte reads no further than asked for.
type oneByte struct{ net.Conn }

func (o oneByte) Read(b []byte) (int, error) { return o.Conn.Read(b[:1]) }

// readLine reads up to CR or LF, of which an LF alone at the begin belongs to the line before. Telnet commands are
// left out; a line has at most 64 characters.
func readLine(r *bufio.Reader, echo func(byte) error) (string, error) {
	var line []byte
	for {
		c, err := r.ReadByte()
		if err != nil {
			return "", err
		}
		switch {
		case c == telnetIAC:
			if err := skipTelnet(r); err != nil {
				return "", err
			}
		case c == '\n' && len(line) == 0, c == 0:
		case c == '\r' || c == '\n':
			return string(line), nil
		case c == '\b' || c == 127:
			line = line[:max(0, len(line)-1)]
		case len(line) >= 64:
			return "", errors.New("line too long")
		default:
			line = append(line, c)
			if err := echo(c); err != nil {
				return "", err
			}
		}
	}
}

func skipTelnet(r *bufio.Reader) error {
	c, err := r.ReadByte()
	switch {
	case err != nil:
		return err
	case c >= telnetWill && c <= telnetDont:
		_, err = r.ReadByte()
	case c == telnetSB:
		for prev := byte(0); ; {
			if c, err = r.ReadByte(); err != nil {
				return err
			}
			if prev == telnetIAC && c == telnetSE {
				return nil
			}
			prev = c
		}
	}
	return err
}
