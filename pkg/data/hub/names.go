package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/open-retina/openretina-go/pkg/config"
)

// Model is a trained model that the hub has under a name of its own.
type Model struct {
	// Name is what the Python package's load_core_readout_model takes.
	Name string
	// Path is where the checkpoint lies on the hub.
	Path string
	// Stimulus describes the input: channels × height × width and rate.
	Stimulus string
}

var models = []Model{
	{"hoefling_2024_low_res", "model_checkpoints/2026-03-09/hoefling_2024_cnn_low_res.ckpt", "2 × 18 × 16 at 30 Hz"},
	{"hoefling_2024_high_res", "model_checkpoints/2026-03-09/hoefling_2024_cnn_high_res.ckpt", "2 × 72 × 64 at 30 Hz"},
	{"karamanlis_2024_mouse", "model_checkpoints/2026-03-09/karamanlis_2024_mouse.ckpt", "1 × 60 × 80 at 75 Hz"},
	{"karamanlis_2024_marmoset", "model_checkpoints/2026-03-09/karamanlis_2024_marmoset.ckpt", "1 × 60 × 80 at 85 Hz"},
	{"maheswaranathan_2023", "model_checkpoints/2026-03-09/maheswaranathan_2023.ckpt", "1 × 50 × 50 at 100 Hz"},
	{"sridhar_2025", "model_checkpoints/2026-03-09/sridhar_2025.ckpt", "1 × 80 × 90 at 85 Hz"},
	{"goldin_2022_axolotl", "model_checkpoints/2026-03-09/goldin_2022_axolotl.ckpt", "1 × 108 × 108, images of 300 ms"},
	{"goldin_2022_mouse", "model_checkpoints/2026-03-09/goldin_2022_mouse.ckpt", "1 × 108 × 108, images of 300 ms"},
	// The model of the paper's first preprint, in the older checkpoint layout.
	{"hoefling_2024_base_low_res", "model_checkpoints/27-11-2025/hoefling_2024_base_low_res.ckpt", "2 × 18 × 16 at 30 Hz"},
}

// Models lists the trained models that have a name.
func Models() []Model { return slices.Clone(models) }

// Remote is a file or a folder on the hub.
type Remote struct {
	// Name is the model's name, empty for what was given by its path.
	Name string
	// Path is the path in the repository, with slashes, without one at its end.
	Path string
	// Folder is true where the path was given with a slash at its end; a folder
	// given without one is recognised when it is fetched.
	Folder bool
}

// String is the name, else the path: what the user would type.
func (r Remote) String() string {
	if r.Name != "" {
		return r.Name
	}
	return r.Path
}

// UnknownNameError is the error of Resolve for a word that names no model.
type UnknownNameError struct {
	Name string
	// Nearest are the known names, the most similar ones first.
	Nearest []string
}

// Error names the nearest models.
func (e *UnknownNameError) Error() string {
	return fmt.Sprintf("unknown model %q: nearest are %s (a path on the hub has a slash or an extension)",
		e.Name, strings.Join(e.Nearest[:min(3, len(e.Nearest))], ", "))
}

// Resolve finds what a user means by a model's name, a path on the hub
// (euler_lab/hoefling_2024/responses/ with a slash at its end for a folder), or
// an address with resolve, blob or tree in it. Of an address, what follows the
// last "main/" is the path, as in the Python package. No network is used.
func Resolve(nameOrPathOrURL string) (Remote, error) {
	s := nameOrPathOrURL
	if strings.Contains(s, "://") {
		return resolveURL(s)
	}
	for _, m := range models {
		if m.Name == s {
			return Remote{Name: m.Name, Path: m.Path}, nil
		}
	}
	if !strings.Contains(s, "/") && path.Ext(s) == "" {
		return Remote{}, &UnknownNameError{Name: s, Nearest: nearest(s)}
	}
	return remoteFor(s)
}

func resolveURL(address string) (Remote, error) {
	u, err := url.Parse(address)
	if err != nil {
		return Remote{}, fmt.Errorf("%q is no address", address)
	}
	// The address may come from a config that names the hub while HF_ENDPOINT
	// names a mirror, so the host says nothing; the repository must be right.
	_, rest, ok := strings.Cut(u.Path, "/datasets/"+Repository+"/")
	form, _, _ := strings.Cut(rest, "/")
	if !ok || !slices.Contains([]string{"resolve", "blob", "tree", "raw"}, form) {
		return Remote{}, fmt.Errorf("%s is not in the hub's repository %s: download it by other means and give its local path", u.Redacted(), Repository)
	}
	i := strings.LastIndex(rest, "/"+revision+"/")
	if i < 0 {
		return Remote{}, fmt.Errorf("%s names no file on the branch %s", u.Redacted(), revision)
	}
	return remoteFor(rest[i+len(revision)+2:])
}

func remoteFor(p string) (Remote, error) {
	trimmed, folder := strings.CutSuffix(p, "/")
	if err := checkPath(trimmed); err != nil {
		return Remote{}, err
	}
	return Remote{Path: trimmed, Folder: folder}, nil
}

const (
	maxPathBytes    = 1024
	maxElementBytes = 255
)

// checkPath refuses every path that could lead out of the cache, into its notes,
// or that no file system can hold.
func checkPath(p string) error {
	if err := pathFault(p); err != nil {
		return fmt.Errorf("%q is no path on the hub: %w", p, err)
	}
	return nil
}

func pathFault(p string) error {
	switch {
	case p == "":
		return errors.New("it is empty")
	case len(p) > maxPathBytes:
		return fmt.Errorf("it has more than %d bytes", maxPathBytes)
	case strings.HasPrefix(p, "/"):
		return errors.New("it is absolute")
	case !utf8.ValidString(p) || strings.ContainsFunc(p, unicode.IsControl):
		return errors.New("it has a character that is no text")
	case strings.Contains(p, `\`):
		return errors.New("it has a backslash")
	case !fs.ValidPath(p) || p == ".":
		return errors.New("it has an empty element, or one of dots")
	}
	for element := range strings.SplitSeq(p, "/") {
		if len(element) > maxElementBytes {
			return fmt.Errorf("an element has more than %d bytes", maxElementBytes)
		}
		if strings.EqualFold(element, notesDir) {
			return fmt.Errorf("%s is kept for the cache's own notes", notesDir)
		}
	}
	return nil
}

// nearest orders the models' names: those that contain name come first, and then
// the edit distance decides.
func nearest(name string) []string {
	var names, rest []string
	for _, m := range models {
		if strings.Contains(m.Name, name) {
			names = append(names, m.Name)
		} else {
			rest = append(rest, m.Name)
		}
	}
	for len(rest) > 0 {
		best, _ := config.Nearest(name, rest)
		i := max(0, slices.Index(rest, best)) // of an endless name none is nearest
		names = append(names, rest[i])
		rest = slices.Delete(rest, i, i+1)
	}
	return names
}
