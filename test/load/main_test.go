package load

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"trunkline.internal/platform/natsd"
)

// brokerFolder makes the test binary a NATS server on the folder that it names.
const brokerFolder = "TRUNKLINE_LOAD_BROKER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(brokerFolder); dir != "" {
		if err := serve(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serve runs the server until standard input ends.
func serve(dir string) error {
	broker, err := natsd.Start(natsd.Config{Dir: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		return err
	}
	fmt.Println(broker.URL())
	_, err = io.Copy(io.Discard, os.Stdin)
	broker.Stop()
	return err
}

// brokerProcess runs a durable NATS server as a process of its own, until the test
// ends.
func brokerProcess(t testing.TB) (url string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), brokerFolder+"="+t.TempDir())
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the NATS server: %v", err)
		}
	})
	url, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the NATS server says no address: %v", err)
	}
	return strings.TrimSpace(url)
}
