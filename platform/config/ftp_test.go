package config

import (
	"strings"
	"testing"

	"trunkline.internal/pbx"
)

func TestFTPAndSFTP(t *testing.T) {
	password := Secret{PasswordEnv: "PW"}
	good := Remote{Addr: "10.1.0.9:21", User: "adfexc", Secret: password}
	for _, tc := range []struct {
		ftp  *FTP
		sftp *SFTP
		says string
	}{
		{ftp: &FTP{Remote: good}},
		{ftp: &FTP{Remote: good, TLS: &TLS{}, Implicit: true, Active: true, ActivePorts: "50000-50099", ActiveAddress: "10.1.0.20"}},
		{ftp: &FTP{Remote: Remote{Addr: ":21", User: "u"}}, says: "server's address"},
		{ftp: &FTP{Remote: Remote{Addr: "10.1.0.9:21"}}, says: "may read"},
		{ftp: &FTP{Remote: good, Implicit: true}, says: "give tls too"},
		{ftp: &FTP{Remote: good, ActivePorts: "1-2"}, says: "for active: true"},
		{ftp: &FTP{Remote: good, Active: true, ActivePorts: "50099-50000"}, says: "range of ports"},
		{ftp: &FTP{Remote: good, Active: true, ActiveAddress: "us"}, says: "our IP address"},
		{sftp: &SFTP{Remote: good}},
		{sftp: &SFTP{Remote: Remote{Addr: "10.1.0.9:22", User: "u"}, KeyFile: "/key", HostKey: "10.1.0.9 ssh-ed25519 AAAA"}},
		{sftp: &SFTP{Remote: Remote{Addr: "10.1.0.9:22", User: "u"}}, says: "key_file"},
		{sftp: &SFTP{Remote: good, HostKey: "00:11:22"}, says: "fingerprint"},
	} {
		in := &reading{places: map[string]place{"": {}}}
		u := uses{in: in, folders: map[string]string{}}
		if tc.ftp != nil {
			u.ftp(tc.ftp, &pbx.Model{}, "at", "lyon/oxe")
		} else {
			u.sftp(tc.sftp, &pbx.Model{}, "at", "lyon/oxe")
		}
		var told strings.Builder
		for _, p := range in.problems {
			told.WriteString(p.Error())
		}
		if !strings.Contains(told.String(), tc.says) || tc.says == "" && told.Len() > 0 {
			t.Errorf("%q: %s", tc.says, told.String())
		}
	}
}
