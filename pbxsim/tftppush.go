package pbxsim

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"
)

// newPusher gathers tickets as a folder does, and pushes each file to the TFTP server that a URL such as
// tftp://10.1.0.2:69 names, in a session of its own (RFC 1350). What is not taken is pushed again under its name.
func newPusher(model string, o Options, most int, named func([]Ticket) string) (*folder, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "tftp" || u.Port() == "" || u.Hostname() == "" {
		return nil, fmt.Errorf("%s: URL: give the collector's, such as tftp://10.1.0.2:69", model)
	}
	if o.Slowly {
		return nil, fmt.Errorf("%s: Slowly is of a folder", model)
	}
	f := &folder{model: model, o: o, most: most}
	f.put = func(ctx context.Context, ts []Ticket) error {
		name, body := named(ts), joined(ts, "\r\n")
		for {
			err := tftpPut(ctx, u.Host, name, body)
			if err == nil {
				break
			}
			o.Log.Debug("simulated pbx: a file is not taken", "why", err)
			if f.last || sleep(ctx, tftpRetry) != nil {
				return nil
			}
		}
		f.sent(name, ts...)
		return nil
	}
	return f, nil
}

const (
	tftpBlock  = 512
	tftpAnswer = time.Second
	tftpTries  = 5
	tftpRetry  = time.Second

	tftpWrite = 2
	tftpData  = 3
	tftpACK   = 4
)

// tftpPut writes one file. Each packet comes again when it is not acknowledged.
func tftpPut(ctx context.Context, addr, name string, body []byte) error {
	server, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return err
	}
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	packet := append([]byte{0, tftpWrite}, name+"\x00octet\x00"...)
	// From block 1 on the session is with the port that answered the request.
	for block := 0; ; block++ {
		peer, err := tftpSend(conn, server, packet, uint16(block), block == 0)
		if err != nil {
			return err
		}
		server = peer
		if block > 0 && len(packet) < 4+tftpBlock {
			return nil
		}
		n := min(tftpBlock, len(body))
		packet = append(binary.BigEndian.AppendUint16([]byte{0, tftpData}, uint16(block+1)), body[:n]...)
		body = body[n:]
	}
}

func tftpSend(conn *net.UDPConn, to *net.UDPAddr, packet []byte, block uint16, first bool) (*net.UDPAddr, error) {
	var b [tftpBlock + 4]byte
	for range tftpTries {
		if _, err := conn.WriteToUDP(packet, to); err != nil {
			return nil, err
		}
		if err := conn.SetReadDeadline(time.Now().Add(tftpAnswer)); err != nil {
			return nil, err
		}
		for {
			n, from, err := conn.ReadFromUDP(b[:])
			if err != nil {
				if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
					break
				}
				return nil, err
			}
			if n < 4 || !first && from.Port != to.Port {
				continue
			}
			switch op, number := b[1], binary.BigEndian.Uint16(b[2:]); {
			case op == tftpACK && number == block:
				return from, nil
			case op == tftpACK: // of a packet that came twice
			default:
				return nil, fmt.Errorf("the server answers %q", b[4:n])
			}
		}
	}
	return nil, errors.New("the server does not answer")
}
