package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"

	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/fileio/zipfile"
)

// maxPickle bounds the pickle of a checkpoint, which holds structure, not tensors.
const maxPickle = 256 << 20

// readZip reads what torch.save writes since version 1.6: ROOT/data.pkl, and
// ROOT/data/KEY for each storage.
func readZip(r io.ReaderAt, size int64) (*Checkpoint, error) {
	archive, err := zipfile.Open(r, size)
	if errors.Is(err, zipfile.ErrFormat) {
		return nil, errors.New("it starts like a zip archive but has no end: it is truncated or damaged")
	}
	if err != nil {
		return nil, err
	}
	root, err := findRoot(archive)
	if err != nil {
		return nil, err
	}
	l := newLoader(size)
	data := archive.Find(root + "/data.pkl")
	if l.budget -= data.Size; l.budget < baseMemory/2 || data.Size > maxPickle {
		return nil, fmt.Errorf("%s of %d bytes in a file of %d: more than is read", data.Name, data.Size, size)
	}
	program, err := data.ReadAll()
	if err != nil {
		return nil, err
	}
	if l.bigEndian, err = isBigEndian(archive.Find(root + "/byteorder")); err != nil {
		return nil, err
	}
	value, err := pickle.Load(program, l.options())
	if err != nil {
		return nil, err
	}
	err = l.finish(func(s *storage) ([]byte, error) {
		entry := archive.Find(root + "/data/" + s.key)
		if entry == nil {
			return nil, errors.New("is not in the file")
		}
		if entry.Size != int64(s.len)*int64(s.dtype.Size()) {
			return nil, fmt.Errorf("damaged: %d elements of %s in %d bytes", s.len, s.class, entry.Size)
		}
		return entry.ReadAll()
	})
	if err != nil {
		return nil, err
	}
	return newCheckpoint(value)
}

// findRoot is the folder of the archive that holds data.pkl.
func findRoot(archive *zipfile.Archive) (string, error) {
	root := ""
	for _, entry := range archive.Entries {
		folder, name, ok := strings.Cut(entry.Name, "/")
		if !ok || name != "data.pkl" {
			continue
		}
		if root != "" {
			return "", fmt.Errorf("has two pickles, in %q and %q", root, folder)
		}
		root = folder
	}
	switch {
	case root != "" && archive.Find(root+"/constants.pkl") != nil:
		return "", errors.New("not a checkpoint: it is a TorchScript program; save the state dict instead")
	case root != "":
		return root, nil
	case len(archive.Entries) == 0:
		return "", errors.New("not a checkpoint: it is an empty zip archive")
	}
	return "", fmt.Errorf("not a checkpoint: it is a zip archive with %q but without data.pkl", archive.Entries[0].Name)
}

func isBigEndian(entry *zipfile.Entry) (bool, error) {
	if entry == nil {
		return false, nil
	}
	const longest = 16
	if entry.Size > longest {
		return false, errors.New("damaged: byteorder")
	}
	order, err := entry.ReadAll()
	if err != nil {
		return false, err
	}
	switch string(order) {
	case "little":
		return false, nil
	case "big":
		return true, nil
	}
	return false, fmt.Errorf("unknown byte order %q", order)
}

// legacyStart is how a file of torch.save before version 1.6 starts: a pickle of a
// number.
const legacyStart = "\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."

// readLegacy reads that older form: pickles of the magic number, the version, facts
// of the system, the value, and the keys of the storages, and then for each storage
// its length and its elements.
func readLegacy(r io.ReaderAt, size int64) (*Checkpoint, error) {
	data := make([]byte, size)
	if _, err := r.ReadAt(data, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	l := newLoader(size)
	const valuePart = 3
	var parts [5]any
	for i := range parts {
		options := l.options()
		if i != valuePart {
			options.Memory = baseMemory / 8
		}
		v, n, err := pickle.Decode(data, options)
		if err != nil {
			return nil, err
		}
		parts[i], data = v, data[n:]
	}
	const version = 1001
	magic, _ := new(big.Int).SetString("1950a86a20f9469cfc6c", 16)
	if m, ok := parts[0].(*big.Int); !ok || m.Cmp(magic) != 0 || parts[1] != int64(version) {
		return nil, errors.New("not a checkpoint of PyTorch's older form, or of an unknown version")
	}
	if system, ok := parts[2].(*pickle.Dict); ok {
		little, _ := system.Get("little_endian")
		l.bigEndian = little == false
	}
	keys, ok := parts[4].(*pickle.List)
	if !ok {
		return nil, errors.New("damaged: the keys of the storages are missing")
	}
	found, err := l.cutStorages(data, keys.Items)
	if err != nil {
		return nil, err
	}
	err = l.finish(func(s *storage) ([]byte, error) {
		if b, ok := found[s.key]; ok {
			return b, nil
		}
		return nil, errors.New("is not in the file")
	})
	if err != nil {
		return nil, err
	}
	return newCheckpoint(parts[valuePart])
}

// cutStorages finds the elements of each storage in what follows the pickles.
func (l *loader) cutStorages(data []byte, keys []any) (map[string][]byte, error) {
	const lengthSize = 8
	found := map[string][]byte{}
	for _, k := range keys {
		key, ok := k.(string)
		s := l.storages[key]
		if !ok || s == nil || found[key] != nil {
			return nil, errors.New("damaged: an unknown storage, or one that occurs twice")
		}
		if len(data) < lengthSize {
			return nil, errors.New("truncated: storages are missing")
		}
		size := s.len * s.dtype.Size()
		if n := binary.LittleEndian.Uint64(data); n != uint64(s.len) {
			return nil, fmt.Errorf("damaged: storage %.40q has %d elements, not %d", key, n, s.len)
		}
		data = data[lengthSize:]
		if len(data) < size {
			return nil, fmt.Errorf("truncated in storage %.40q", key)
		}
		found[key], data = data[:size:size], data[size:]
	}
	if len(data) > 0 {
		return nil, fmt.Errorf("damaged: %d bytes after its end", len(data))
	}
	return found, nil
}

// newCheckpoint sorts the keys of a file into a Checkpoint. A file without the key
// state_dict is a bare state dict.
func newCheckpoint(value any) (*Checkpoint, error) {
	d, ok := value.(*pickle.Dict)
	if !ok {
		return nil, fmt.Errorf("not a checkpoint: it holds a %s", pickle.TypeName(value))
	}
	c := &Checkpoint{}
	state, ok := d.Get("state_dict")
	if !ok {
		var err error
		c.State, err = newState(d)
		return c, err
	}
	stateDict, ok := state.(*pickle.Dict)
	if !ok {
		return nil, fmt.Errorf("state_dict is a %s", pickle.TypeName(state))
	}
	var err error
	if c.State, err = newState(stateDict); err != nil {
		return nil, err
	}
	u := &unwrapper{}
	for i := range d.Len() {
		key, v := d.At(i)
		name, ok := key.(string)
		if !ok {
			return nil, fmt.Errorf("a key of the checkpoint is a %s", pickle.TypeName(key))
		}
		if name == "state_dict" {
			continue
		}
		plain, err := u.value(v, 0)
		if err == nil {
			err = c.assign(name, plain)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return c, nil
}

// assign sets the field that a key of a Lightning checkpoint belongs to.
func (c *Checkpoint) assign(key string, v any) error {
	ok := true
	switch key {
	case "epoch":
		c.Epoch, ok = v.(int64)
	case "global_step":
		c.GlobalStep, ok = v.(int64)
	case "pytorch-lightning_version":
		c.LightningVersion, ok = v.(string)
	case "hparams_name":
		c.HyperParametersName, ok = v.(string)
	case "optimizer_states":
		c.OptimizerStates, ok = v.([]any)
	case "lr_schedulers":
		c.LRSchedulers, ok = v.([]any)
	case "callbacks":
		c.Callbacks, ok = v.(*pickle.Dict)
	case "loops":
		c.Loops, ok = v.(*pickle.Dict)
	case "hyper_parameters":
		c.HyperParameters, ok = v.(*pickle.Dict)
	default:
		if c.Extra == nil {
			c.Extra = &pickle.Dict{}
		}
		c.Extra.SetString(key, v)
	}
	if !ok {
		return fmt.Errorf("has the wrong type %s", pickle.TypeName(v))
	}
	return nil
}

// newState takes a dict of tensors.
func newState(d *pickle.Dict) (*State, error) {
	s := &State{}
	for i := range d.Len() {
		key, v := d.At(i)
		name, ok := key.(string)
		t, ok2 := v.(*Tensor)
		if !ok || !ok2 {
			return nil, fmt.Errorf("not a checkpoint: in its state dict %.80q is a %s", fmt.Sprint(key), pickle.TypeName(v))
		}
		s.Set(name, t.Array)
	}
	if attributes, ok := d.State.(*pickle.Dict); ok {
		metadata, _ := attributes.Get("_metadata")
		s.Metadata, _ = metadata.(*pickle.Dict)
	}
	return s, nil
}
