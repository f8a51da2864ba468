package hdf5

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A crash inside libhdf5 ends the process, so damaged files are read in a child:
// this test binary, started again with the directory of the files in childEnv. It
// prints a line before each file, by which the parent knows where it died.
const childEnv = "OPENRETINA_TEST_HDF5_DIR"

// The child may take this much memory over what it had before the first file.
const childMemory = 1 << 30

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		os.Exit(readAll(dir))
	}
	os.Exit(m.Run())
}

// readAll reads all files of a directory and gives the exit code.
func readAll(dir string) int {
	files, err := filepath.Glob(filepath.Join(dir, "*.h5"))
	if err != nil {
		return 1
	}
	for _, file := range files {
		fmt.Println("reading", filepath.Base(file))
		if f, err := Open(file); err == nil {
			visit(f, "", 0)
			_ = f.Close() // a damaged file may not close
		}
		if p := peakMemory(); p > childMemory {
			fmt.Println("reading", filepath.Base(file), "took", p, "bytes")
			return 3
		}
	}
	fmt.Println("peak", peakMemory())
	return 0
}

// visit reads everything below a group. What it returns does not matter, only
// that it does.
func visit(f *File, group string, depth int) {
	entries, err := f.List(group + "/")
	if err != nil || depth > 4 {
		return
	}
	visitAttributes(f, group+"/")
	for _, entry := range entries {
		path := group + "/" + entry.Name
		visitAttributes(f, path)
		if entry.Kind == Group {
			visit(f, path, depth+1)
		}
		d, err := f.Dataset(path)
		if err != nil {
			continue
		}
		_, _ = d.Strings()
		if n := d.elements(); n <= 1<<20 {
			_, _ = Read[float32](d)
			_, _ = Read[int64](d)
		}
	}
}

func (d *Dataset) elements() int {
	n := 1
	for _, size := range d.Shape {
		n *= min(size, 1<<21)
		n = min(n, 1<<30)
	}
	return n
}

func visitAttributes(f *File, path string) {
	names, _ := f.Attributes(path)
	for _, name := range names {
		_, _ = f.Attribute(path, name)
	}
}

// peakMemory is the largest resident memory of this process, in bytes.
func peakMemory() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmHWM:" {
			kilobytes, _ := strconv.ParseInt(fields[1], 10, 64)
			return kilobytes << 10
		}
	}
	return 0
}

// damage makes a copy of a file wrong in one of several ways.
func damage(whole []byte, random *rand.Rand) []byte {
	content := append([]byte{}, whole...)
	switch random.IntN(5) {
	case 0: // cut off
		return content[:random.IntN(len(content))]
	case 1: // cut off, but with its length put right in the superblock
		content = content[:64+random.IntN(len(content)-64)]
		at := 40
		if content[8] >= 2 {
			at = 28
		}
		for i := range 8 {
			content[at+i] = byte(len(content) >> (8 * i))
		}
		return content
	case 2: // extreme values in place of a word
		at := random.IntN(len(content) - 8)
		for i := range 1 << random.IntN(4) {
			content[at+i] = []byte{0, 0xff, 0x7f, 0x80}[random.IntN(4)]
		}
	case 3: // a block copied to another place
		n := 1 + random.IntN(64)
		from, to := random.IntN(len(content)-n), random.IntN(len(content)-n)
		copy(content[to:to+n], whole[from:from+n])
	default: // some bits
		for range 1 + random.IntN(16) {
			content[random.IntN(len(content))] ^= 1 << random.IntN(8)
		}
	}
	return content
}

// TestDamagedFiles reads many damaged copies of all test files in a child. The
// number can be raised by OPENRETINA_TEST_HDF5_MUTANTS.
func TestDamagedFiles(t *testing.T) {
	mutants := 300
	if text := os.Getenv("OPENRETINA_TEST_HDF5_MUTANTS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		mutants = n
	}
	sources, err := filepath.Glob("testdata/*.h5")
	if err != nil || len(sources) == 0 {
		t.Fatal("no test files", err)
	}
	for first := 0; first < mutants; first += 500 {
		dir := t.TempDir()
		for i := first; i < min(first+500, mutants); i++ {
			source := sources[i%len(sources)]
			whole, err := os.ReadFile(source)
			if err != nil {
				t.Fatal(err)
			}
			name := fmt.Sprintf("%06d_%s", i, filepath.Base(source))
			content := damage(whole, rand.New(rand.NewPCG(1, uint64(i))))
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		runChild(t, dir)
	}
}

// runChild reads a directory of files in a child process. After a crash, or when
// nothing has moved for a while, the files up to the one that did it are removed
// and the rest is read.
func runChild(t *testing.T, dir string) {
	t.Helper()
	for {
		lines, err := childLines(t, dir)
		last := lines[len(lines)-1]
		if err == nil {
			peak, err := strconv.ParseInt(strings.TrimPrefix(last, "peak "), 10, 64)
			if err != nil || peak > childMemory {
				t.Errorf("the child took %d bytes (%q)", peak, last)
			}
			return
		}
		name, ok := strings.CutPrefix(last, "reading ")
		if !ok {
			t.Fatalf("the child failed: %v, %q", err, last)
		}
		t.Errorf("reading %s: %v", name, err)
		for _, line := range lines {
			if done, ok := strings.CutPrefix(line, "reading "); ok {
				_ = os.Remove(filepath.Join(dir, done))
			}
		}
	}
}

// childLines runs a child and gives what it printed.
func childLines(t *testing.T, dir string) (lines []string, err error) {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), childEnv+"="+dir)
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	const patience = 20 * time.Second // for one file of a few kilobytes
	watchdog := time.AfterFunc(patience, func() { _ = command.Process.Kill() })
	defer watchdog.Stop()
	for scanner := bufio.NewScanner(out); scanner.Scan(); {
		watchdog.Reset(patience)
		lines = append(lines, scanner.Text())
	}
	if len(lines) == 0 {
		t.Fatal("the child printed nothing")
	}
	return lines, command.Wait()
}
