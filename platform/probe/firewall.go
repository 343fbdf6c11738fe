package probe

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Firewall is the command that lets the network in to a port of this machine,
// `tcp` or `udp`, on the firewall that this system has; empty: none was found.
func Firewall(network string, port int) string { return firewallIn(runtime.GOOS, "/", network, port) }

func firewallIn(goos, root, network string, port int) string {
	there := func(name string) bool {
		_, err := os.Stat(filepath.Join(root, name))
		return err == nil
	}
	switch {
	case goos == "windows":
		return fmt.Sprintf(`netsh advfirewall firewall add rule name="trunkline %[2]d" dir=in action=allow protocol=%[1]s localport=%[2]d`, strings.ToUpper(network), port)
	case goos != "linux":
		return ""
	case ufwIsOn(root):
		return fmt.Sprintf("ufw allow %d/%s", port, network)
	case there("run/firewalld") || there("usr/sbin/firewalld") && there("etc/firewalld"):
		return fmt.Sprintf("firewall-cmd --permanent --add-port=%d/%s && firewall-cmd --reload", port, network)
	case there("etc/nftables.conf"):
		return fmt.Sprintf("nft insert rule inet filter input %s dport %d accept", network, port)
	}
	return ""
}

func ufwIsOn(root string) bool {
	text, err := os.ReadFile(filepath.Join(root, "etc/ufw/ufw.conf"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if key, value, _ := strings.Cut(strings.TrimSpace(line), "="); key == "ENABLED" {
			return strings.EqualFold(strings.Trim(value, `"'`), "yes")
		}
	}
	return false
}
