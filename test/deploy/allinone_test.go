//go:build images

package deploy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"trunkline.internal/test/kit"
)

// debian is the release of the image that `trunkline` begins with.
const debian, debianImage = "trixie", "debian:13-slim"

// debianFiles makes the files of a small Debian, once, and tells where they are.
func debianFiles(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(cache, "trunkline", "images", debian+".tar")
	if _, err := os.Stat(file); err == nil {
		return file
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	// What the image of Docker's library leaves out too.
	args := []string{"--quiet", "--variant=minbase"}
	for _, folder := range []string{"doc", "man", "locale"} {
		args = append(args, "--dpkgopt=path-exclude=/usr/share/"+folder+"/*")
	}
	fresh := filepath.Join(filepath.Dir(file), fmt.Sprintf("%d.tar", os.Getpid()))
	defer os.Remove(fresh)
	out, err := exec.Command("mmdebstrap", append(args, debian, fresh)...).CombinedOutput()
	if err := errors.Join(err, os.Rename(fresh, file)); err != nil {
		t.Fatalf("mmdebstrap (make servers installs it): %v\n%s", err, out)
	}
	return file
}

// importBase gives the store an image of Debian under the names that it would
// be pulled by.
func (s store) importBase(names ...string) {
	s.t.Helper()
	if text := read(s.t, "deploy/Dockerfile"); !strings.Contains(text, "FROM "+debianImage+" AS trunkline\n") {
		s.t.Fatalf("trunkline is not from %s any more: change this test", debianImage)
	}
	c := s.buildah("from", "scratch")
	s.buildah("add", "-q", c, debianFiles(s.t), "/")
	for _, name := range names {
		s.buildah("commit", "-q", c, "docker.io/library/"+name)
	}
}

// container is an image's files, unpacked with their owners, and its settings.
type container struct {
	settings
	t    *testing.T
	root string
}

func (s store) container(image string) *container {
	s.t.Helper()
	var told struct{ Docker struct{ Config settings } }
	if err := json.Unmarshal([]byte(s.buildah("inspect", "--type", "image", image)), &told); err != nil {
		s.t.Fatal(err)
	}
	return &container{told.Docker.Config, s.t, s.buildah("mount", s.buildah("from", "--pull-never", image))}
}

// enter starts a program as a container engine does: on the container's files,
// read-only, with a volume at $2, as its user, with no capability and no way to
// get one.
const enter = `
mount --bind "$1" "$1"
mount --bind "$3" "$1$2"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
mount --rbind /sys "$1/sys"
mount -o remount,bind,ro "$1"
root=$1 dir=$4 user=$5
shift 5
exec setpriv --no-new-privs unshare --root="$root" --wd="$dir" --setgid="${user#*:}" --setuid="${user%:*}" -- "$@"
`

// command is one in the container; env is added to the image's.
func (c *container) command(at, volume string, env []string, argv ...string) *exec.Cmd {
	cmd := exec.Command("unshare", append([]string{"--mount", "sh", "-euc", enter, "sh", c.root, at, volume, c.WorkingDir, c.User}, argv...)...)
	cmd.Env = slices.Concat(c.Env, env)
	return cmd
}

// volume makes a new one for a folder of the container, whose owner it takes.
func (c *container) volume(at string) string {
	c.t.Helper()
	dir := c.t.TempDir()
	if owner := c.stat(at); os.Chown(dir, int(owner.Uid), int(owner.Gid)) != nil {
		c.t.Fatalf("the volume for %s keeps its owner", at)
	}
	return dir
}

func (c *container) stat(path string) *syscall.Stat_t {
	c.t.Helper()
	info, err := os.Lstat(filepath.Join(c.root, path))
	if err != nil {
		c.t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t)
}

// size is that of all files below a path.
func (c *container) size(path string) (megabytes float64) {
	c.t.Helper()
	err := filepath.WalkDir(filepath.Join(c.root, path), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			megabytes += float64(info.Size()) / 1e6
		}
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return megabytes
}

// query is its answer, or what is wrong.
func query(sql, text string) string {
	answer, err := kit.Query(sql, text)
	if err != nil {
		return err.Error()
	}
	return answer
}

// grace is how long Docker waits for a container that it stops.
const grace = 10 * time.Second

const data = "/var/lib/trunkline"

func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("only root mounts an image's files and starts it there: run make images as root")
	}
}

// The image of everything in one process is built on Debian, and runs: it
// collects, answers, tells how it is, and stops.
func TestAllInOneImage(t *testing.T) {
	needsRoot(t)
	engine := os.Getenv("TRUNKLINE_ENGINE_LIB")
	if engine == "" {
		t.Fatal("TRUNKLINE_ENGINE_LIB names no engine: run make images")
	}
	s := newStore(t)
	s.importBase(debianImage)
	s.build("trunkline", "amd64", "built-trunkline", instead(t, filepath.Join(filepath.Dir(built), "trunkline"), engine))
	c := s.container("trunkline")
	t.Logf("trunkline for amd64: %.0f MB, the engine %.0f of them", c.size("/"), c.size("/usr/local/lib/libchdb.so"))
	c.holds()
	t.Run("collects", c.collects)
	t.Run("demo", c.demo)
}

func (c *container) holds() {
	t := c.t
	t.Helper()
	if c.User != "65532:65532" || !slices.Equal(c.Cmd, []string{"run"}) || len(c.Entrypoint) != 1 {
		t.Errorf("starts %q %q as %s", c.Entrypoint, c.Cmd, c.User)
	}
	for _, port := range []string{"8123/tcp", "9090/tcp"} {
		if _, ok := c.ExposedPorts[port]; !ok {
			t.Errorf("does not expose %s", port)
		}
	}
	if told := c.Labels["org.opencontainers.image.version"]; told != version {
		t.Errorf("its label calls it %q, want %s", told, version)
	}
	for path, owner := range map[string]uint32{data: 65532, "/srv/cdr": 65532, c.Entrypoint[0]: 0, "/usr/local/lib/libchdb.so": 0, "/etc/ssl/certs/ca-certificates.crt": 0} {
		if got := c.stat(path); got.Uid != owner || got.Gid != owner || got.Mode&0o022 != 0 {
			t.Errorf("%s: owner %d:%d, mode %o", path, got.Uid, got.Gid, got.Mode)
		}
	}
}

// start starts the container, and waits until it is ready.
func (c *container) start(t *testing.T, volume, metrics string, env []string, args ...string) *kit.Process {
	t.Helper()
	d := kit.NewProcess(t, "the container", func() *exec.Cmd {
		return c.command(data, volume, env, slices.Concat(c.Entrypoint, args)...)
	})
	d.Metrics = metrics
	d.AwaitReady()
	return d
}

// stop stops it as Docker does.
func stop(t *testing.T, d *kit.Process) {
	t.Helper()
	began := time.Now()
	if err := d.Stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > grace {
		t.Errorf("it takes %s to stop, and Docker waits for %s", took, grace)
	}
}

// health is what its health check says.
func (c *container) health(volume string, env ...string) (string, error) {
	out, err := c.command(data, volume, env, c.Healthcheck.Test[1:]...).CombinedOutput()
	return string(out), err
}

func (c *container) collects(t *testing.T) {
	sql, metrics, link := kit.FreePort(t), kit.FreePort(t), kit.FreePort(t)
	file := filepath.Join(c.root, "etc/trunkline/trunkline.yaml")
	config := fmt.Sprintf(`nats: {listen: "off"}
sql: {listen: %q}
metrics: {listen: %q}
sites: [{id: lyon, timezone: Europe/Paris, country: FR, links: [{id: a, model: avaya-ipoffice, tcp: {listen: %q}}]}]
`, sql, metrics, link)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(config), 0o644)); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(file)

	volume := c.volume(data)
	if out, err := c.health(volume); err == nil || !strings.Contains(out, "connection refused") {
		t.Errorf("the health check of a container that does not run: %v: %s", err, out)
	}
	d := c.start(t, volume, metrics, nil, c.Cmd...)
	if out, err := c.health(volume); err != nil || !strings.Contains(out, "ready") {
		t.Errorf("the health check: %v: %s", err, out)
	}
	sent := deliver(t, link, "avaya-ipoffice", "\r\n", time.Now())
	tickets := func() string {
		return query(sql, "SELECT sum(ticket_count), (SELECT count() FROM calls) > 1000, (SELECT count() FROM other_tickets WHERE outcome = 'DEAD') > 0 FROM receipts")
	}
	want := fmt.Sprintf("%d\t1\t1", sent)
	kit.Await(t, "what was sent is in ClickHouse", func() bool { return tickets() == want }, tickets)
	t.Logf("ready and busy it has %d MiB", d.Memory()>>20)
	stop(t, d)

	// Another container on the same volume.
	stopped := c.start(t, volume, metrics, nil, c.Cmd...)
	if got := tickets(); got != want {
		t.Errorf("started again it has %s tickets, want %s", got, want)
	}
	stop(t, stopped)
}

// `docker run trunkline run --demo` needs nothing but the image and a volume.
func (c *container) demo(t *testing.T) {
	sql, metrics := kit.FreePort(t), kit.FreePort(t)
	env := []string{"TRUNKLINE_SQL_LISTEN=" + sql, "TRUNKLINE_METRICS_LISTEN=" + metrics, "TRUNKLINE_NATS_LISTEN=off"}
	volume := c.volume(data)
	d := c.start(t, volume, metrics, env, "run", "--demo")
	if out, err := c.health(volume, env...); err != nil {
		t.Errorf("its health check: %v: %s", err, out)
	}
	kit.Await(t, "simulated PBXs deliver calls", func() bool { return query(sql, "SELECT count() > 0 FROM calls") == "1" }, d.Log)
	stop(t, d)
}

// NATS may write to its volume without root.
func TestNATSImage(t *testing.T) {
	needsRoot(t)
	s := newStore(t)
	from := parseDockerfile(read(t, "deploy/Dockerfile")).base("nats")
	s.importBase(from)
	s.build("nats", "amd64", "built", t.TempDir())
	c := s.container("nats")
	volume := c.volume("/data")
	c.WorkingDir = "/"
	out, err := c.command("/data", volume, nil, "/usr/bin/sh", "-c", "id -u >/data/who && cat /data/who; touch /x").CombinedOutput()
	if !strings.HasPrefix(string(out), "65532\n") || !strings.Contains(string(out), "Read-only") {
		t.Errorf("in its container: %v: %s", err, out)
	}
}
