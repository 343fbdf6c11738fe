package deploy_test

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// settings are those of an image.
type settings struct {
	User         string
	Env          []string
	Entrypoint   []string
	Cmd          []string
	WorkingDir   string
	ExposedPorts map[string]any
	Healthcheck  struct{ Test []string }
	Labels       map[string]string
}

// image is one as it would be shipped: its settings, and its files by path.
type image struct {
	Architecture string
	Config       settings
	files        map[string]*tar.Header
	dir          string // where its files are
}

// store is where buildah keeps the images of a test.
type store struct {
	t   *testing.T
	dir string
}

func newStore(t *testing.T) store { return store{t, t.TempDir()} }

func (s store) buildah(args ...string) string {
	s.t.Helper()
	cmd := exec.Command("buildah", append([]string{
		"--root", filepath.Join(s.dir, "root"), "--runroot", filepath.Join(s.dir, "run"), "--storage-driver", "vfs",
	}, args...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+s.dir)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("buildah %s (make servers installs it): %v\n%s%s", args[0], err, out, said.String())
	}
	return strings.TrimSpace(string(out))
}

// build builds a target of the Dockerfile without pulling anything: instead of
// a stage of its it takes what is in a folder.
func (s store) build(target, arch, stage, folder string) {
	s.t.Helper()
	s.buildah("build", "--isolation", "chroot", "--pull=never", "--format", "docker", "--platform", "linux/"+arch, "--build-arg", "VERSION="+version,
		"--build-context", stage+"="+folder, "--target", target, "-f", filepath.Join(root, "deploy/Dockerfile"), "-t", target, s.t.TempDir())
}

// buildImage builds a target that is from scratch, from a folder of binaries.
func buildImage(t *testing.T, target, arch, binaries string) *image {
	t.Helper()
	s := newStore(t)
	s.build(target, arch, "built", binaries)
	archive := filepath.Join(s.dir, "image.tar")
	s.buildah("push", "-q", target, "docker-archive:"+archive)
	return readImage(t, archive)
}

// readImage unpacks an image into a folder.
func readImage(t *testing.T, archive string) *image {
	t.Helper()
	parts := map[string][]byte{}
	text, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	eachFile(t, text, func(h *tar.Header, r io.Reader) {
		if parts[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	})
	var manifest []struct {
		Config string
		Layers []string
	}
	i := &image{files: map[string]*tar.Header{}, dir: t.TempDir()}
	if err := errors.Join(json.Unmarshal(parts["manifest.json"], &manifest), json.Unmarshal(parts[manifest[0].Config], i)); err != nil {
		t.Fatal(err)
	}
	for _, layer := range manifest[0].Layers {
		eachFile(t, parts[layer], func(h *tar.Header, r io.Reader) {
			name := path.Clean("/" + h.Name)
			i.files[name] = h
			to := filepath.Join(i.dir, name)
			switch h.Typeflag {
			case tar.TypeDir:
				err = os.MkdirAll(to, 0o755)
			case tar.TypeReg:
				var content []byte
				if content, err = io.ReadAll(r); err == nil {
					err = os.WriteFile(to, content, h.FileInfo().Mode())
				}
			default:
				t.Fatalf("%s is neither a file nor a folder", name)
			}
			if err != nil {
				t.Fatal(err)
			}
		})
	}
	return i
}

func eachFile(t *testing.T, archive []byte, do func(*tar.Header, io.Reader)) {
	t.Helper()
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		do(h, r)
	}
}

// run starts a program of the image with nothing but the image's files around it.
func (i *image) run(stdin string, args ...string) (string, error) {
	cmd := exec.Command(i.Config.Entrypoint[0], args...)
	cmd.Path = i.Config.Entrypoint[0]
	cmd.Err = nil // that it is not here: it is where we go
	cmd.Env, cmd.Dir, cmd.Stdin = i.Config.Env, "/", strings.NewReader(stdin)
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: i.dir}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65532, Gid: 65532}
	} else {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// instead makes what stands for a stage that builds: its files, the certificates
// of this machine, and the empty folder.
func instead(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"certs", "empty"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	place(t, "/etc/ssl/certs/ca-certificates.crt", filepath.Join(dir, "certs"))
	for _, file := range files {
		place(t, file, dir)
	}
	return dir
}

// place puts a file into a folder, without a copy where that goes: the engine
// has half a gigabyte.
func place(t *testing.T, file, dir string) {
	t.Helper()
	if out, err := exec.Command("cp", "-L", "--link", file, dir).CombinedOutput(); err == nil {
		return
	} else if out2, err := exec.Command("cp", "-L", "--preserve=mode", file, dir).CombinedOutput(); err != nil {
		t.Fatalf("%s (make servers brings what is missing): %v\n%s%s", file, err, out, out2)
	}
}

// builtFiles are the binaries that stage `built` has.
func builtFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(built, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal("stage built has no binary: ", err)
	}
	return files
}

const inImage = `metrics: {listen: "127.0.0.1:1"}
sites: [{id: lyon, timezone: Europe/Paris, country: FR, links: [{id: a, model: avaya-ipoffice, tcp: {listen: ":1752"}}]}]
`

func TestImages(t *testing.T) {
	from := instead(t, builtFiles(t)...)
	for target, writes := range map[string][]string{
		"ingest-tcp": {"/var/lib/trunkline"}, "ingest-poll": {"/var/lib/trunkline", "/srv/cdr"}, "parser": nil, "sink": nil, "tools": {"/srv/cdr"},
	} {
		t.Run(target, func(t *testing.T) {
			i := buildImage(t, target, "amd64", from)
			program := i.Config.Entrypoint[0]
			i.holds(t, program, writes)
			if i.Config.User != "65532:65532" {
				t.Errorf("runs as %s", i.Config.User)
			}
			if told := i.Config.Labels["org.opencontainers.image.version"]; told != version {
				t.Errorf("its label calls it %q, want %s", told, version)
			}
			if target == "tools" {
				i.operates(t)
				return
			}
			health := i.Config.Healthcheck.Test
			if _, ok := i.Config.ExposedPorts["9090/tcp"]; !ok || len(health) != 3 || health[0] != "CMD" || health[1] != program {
				t.Errorf("health check %q, ports %v", health, i.Config.ExposedPorts)
			}
			// It reads the configuration, knows the zone without a file of zones, and asks itself.
			if err := errors.Join(os.MkdirAll(filepath.Join(i.dir, "etc/trunkline"), 0o755),
				os.WriteFile(filepath.Join(i.dir, "etc/trunkline/trunkline.yaml"), []byte(inImage), 0o644)); err != nil {
				t.Fatal(err)
			}
			if out, err := i.run("", health[2:]...); err == nil || !strings.Contains(out, "connection refused") {
				t.Errorf("the health check of a service that does not run: %v: %s", err, out)
			}
		})
	}
}

// holds: nothing but the binary, the certificates, and folders that may be
// written to.
func (i *image) holds(t *testing.T, program string, writes []string) {
	t.Helper()
	size, files := int64(0), []string{}
	for name, h := range i.files {
		if h.Typeflag == tar.TypeReg {
			size += h.Size
			files = append(files, name)
		} else if h.Uid != 0 && !slices.ContainsFunc(writes, func(w string) bool { return strings.HasPrefix(w+"/", name+"/") }) {
			t.Errorf("%s belongs to %d", name, h.Uid)
		}
	}
	slices.Sort(files)
	if want := []string{"/etc/ssl/certs/ca-certificates.crt", program}; !slices.Equal(files, want) {
		t.Errorf("has %v, want %v", files, want)
	}
	for _, name := range writes {
		if h := i.files[name]; h == nil || h.Uid != 65532 || h.Gid != 65532 {
			t.Errorf("%s is not its own: %+v", name, h)
		}
	}
	if h := i.files[program]; h != nil && (h.Uid != 0 || h.Mode&0o777 != 0o755) {
		t.Errorf("%s: owner %d, mode %o", program, h.Uid, h.Mode)
	}
	f, err := elf.Open(filepath.Join(i.dir, program))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	machine := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[i.Architecture]
	if f.Machine != machine || machine == 0 {
		t.Errorf("the image says %s, and holds a program for %s", i.Architecture, f.Machine)
	}
	if slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		t.Errorf("%s is linked dynamically, and there is no library", program)
	}
	t.Logf("%s for %s: %.1f MB", program, i.Architecture, float64(size)/1e6)
}

// operates: the operator's commands work with nothing around them.
func (i *image) operates(t *testing.T) {
	t.Helper()
	if out, err := i.run("", "version"); err != nil || !strings.Contains(out, version) {
		t.Errorf("version: %v: %s", err, out)
	}
	for zone, ok := range map[string]bool{"Europe/Paris": true, "America/New_York": true, "Mars/Olympus": false} {
		out, err := i.run("no ticket\r\n", "parse", "--model", "mitel-3300", "--timezone", zone)
		if (err == nil) != ok {
			t.Errorf("parse in %s: %v: %s", zone, err, out)
		}
	}
	if i.Config.Healthcheck.Test != nil && !slices.Equal(i.Config.Healthcheck.Test, []string{"NONE"}) {
		t.Errorf("health check %q", i.Config.Healthcheck.Test)
	}
}

// The same file makes the images of another processor.
func TestImageARM64(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command("go", "build", "-trimpath", "-tags", "edge", "-ldflags", "-s -w", "-o", filepath.Join(dir, "ingest-tcp"), "./services/ingest-tcp/cmd/ingest-tcp")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm64")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	i := buildImage(t, "ingest-tcp", "arm64", instead(t, filepath.Join(dir, "ingest-tcp")))
	if i.Architecture != "arm64" {
		t.Errorf("it is for %s", i.Architecture)
	}
	i.holds(t, "/ingest-tcp", []string{"/var/lib/trunkline"})
}
