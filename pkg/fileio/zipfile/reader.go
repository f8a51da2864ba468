// Package zipfile reads zip archives of foreign origin strictly, and writes
// archives whose bytes depend on their content only. Where the parts of an archive
// contradict each other it is refused, so that no two programs can see different
// files in it; sizes are checked before memory is taken; CRCs are always compared.
package zipfile

import (
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// ErrFormat is wrapped by the error for bytes that are no zip archive at all.
var ErrFormat = errors.New("not a zip archive")

// Limits of what is read.
const (
	maxEntries   = 10_000
	maxDirectory = 8 << 20 // bytes of the central directory
	maxRatio     = 1032    // deflate cannot do more
	// bombSize is the unpacked size above which more than bombRatio : 1 is refused.
	bombSize  = 256 << 20
	bombRatio = 250
)

// Methods of compression.
const (
	stored   = 0
	deflated = 8
)

// Flag bits of an entry.
const (
	flagDescriptor = 1 << 3
	flagDeflate    = 3 << 1 // how hard the compressor tried
	flagUTF8       = 1 << 11
	flagsAllowed   = flagDescriptor | flagDeflate | flagUTF8
)

// Archive is an opened zip archive.
type Archive struct {
	// Entries are the files in the order of the central directory; directories
	// are left out.
	Entries []*Entry

	byName map[string]*Entry
}

// Entry is one file of an archive.
type Entry struct {
	Name string
	// Size is the unpacked size in bytes.
	Size int64

	archive    io.ReaderAt
	method     uint16
	flags      uint16
	crc        uint32
	packed     int64
	header     int64 // offset of the local header
	dataOffset int64
}

// Find is the entry of that name, or nil.
func (a *Archive) Find(name string) *Entry { return a.byName[name] }

// Open reads the directory of the archive in the size bytes of r and checks it
// against the local headers.
func Open(r io.ReaderAt, size int64) (*Archive, error) {
	end, err := findEnd(r, size)
	if err != nil {
		return nil, err
	}
	directory := make([]byte, end.directorySize)
	if _, err := r.ReadAt(directory, end.directoryOffset); err != nil {
		return nil, fmt.Errorf("read the directory of the zip archive: %w", err)
	}
	all := make([]*Entry, 0, end.entries)
	for range end.entries {
		var e *Entry
		if e, directory, err = parseCentral(directory); err != nil {
			return nil, err
		}
		e.archive = r
		if err := e.checkLocal(end.directoryOffset); err != nil {
			return nil, fmt.Errorf("zip entry %q: %w", e.Name, err)
		}
		all = append(all, e)
	}
	if len(directory) > 0 {
		return nil, fmt.Errorf("zip archive has %d bytes in its directory that belong to no entry", len(directory))
	}
	return newArchive(all)
}

// newArchive refuses names that occur twice and data that overlaps.
func newArchive(all []*Entry) (*Archive, error) {
	a := &Archive{byName: make(map[string]*Entry, len(all))}
	for _, e := range all {
		if a.byName[e.Name] != nil {
			return nil, fmt.Errorf("zip archive has two entries %q", e.Name)
		}
		a.byName[e.Name] = e
		if !strings.HasSuffix(e.Name, "/") {
			a.Entries = append(a.Entries, e)
		}
	}
	slices.SortFunc(all, func(x, y *Entry) int { return int(min(1, max(-1, x.header-y.header))) })
	for i := 1; i < len(all); i++ {
		if all[i].header < all[i-1].dataOffset+all[i-1].packed {
			return nil, fmt.Errorf("zip entries %q and %q overlap", all[i-1].Name, all[i].Name)
		}
	}
	return a, nil
}

// end is what the record at the end of an archive tells.
type end struct {
	entries                        int
	directorySize, directoryOffset int64
}

const (
	signatureEnd     = 0x06054b50
	signatureEnd64   = 0x06064b50
	signatureLocator = 0x07064b50
	signatureCentral = 0x02014b50
	signatureLocal   = 0x04034b50

	signatureDescriptor = 0x08074b50

	lengthEnd     = 22
	lengthEnd64   = 56
	lengthLocator = 20
	lengthCentral = 46
	lengthLocal   = 30
)

var le = binary.LittleEndian

// findEnd finds the record at the end; nothing but its comment may follow it, and
// nothing may lie between it and the directory.
func findEnd(r io.ReaderAt, size int64) (end, error) {
	if size < lengthEnd {
		return end{}, ErrFormat
	}
	tail := make([]byte, min(size, lengthEnd+1<<16-1))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return end{}, fmt.Errorf("read the end of the zip archive: %w", err)
	}
	at := len(tail) - lengthEnd
	for ; at >= 0; at-- {
		if le.Uint32(tail[at:]) == signatureEnd && int(le.Uint16(tail[at+20:])) == len(tail)-at-lengthEnd {
			break
		}
	}
	if at < 0 {
		return end{}, ErrFormat
	}
	record := tail[at:]
	if le.Uint32(record[4:]) != 0 || le.Uint16(record[8:]) != le.Uint16(record[10:]) {
		return end{}, errors.New("zip archive of several parts")
	}
	found := end{int(le.Uint16(record[10:])), int64(le.Uint32(record[12:])), int64(le.Uint32(record[16:]))}
	position := size - int64(len(tail)-at)
	if at >= lengthLocator && le.Uint32(tail[at-lengthLocator:]) == signatureLocator {
		var err error
		if found, position, err = readEnd64(r, tail[at-lengthLocator:at], position-lengthLocator, found); err != nil {
			return end{}, err
		}
	}
	if found.entries > maxEntries || found.directorySize > maxDirectory {
		return end{}, fmt.Errorf("zip archive with %d entries and a directory of %d bytes: at most %d and %d are read",
			found.entries, found.directorySize, maxEntries, maxDirectory)
	}
	if found.directoryOffset < 0 || found.directorySize < 0 || found.directoryOffset+found.directorySize != position {
		return end{}, errors.New("zip archive is damaged: its directory is not where its end says")
	}
	return found, nil
}

// readEnd64 follows the locator, which lies at position, to the zip64 record,
// which must lie right before it and agree with the old record.
func readEnd64(r io.ReaderAt, locator []byte, position int64, old end) (end, int64, error) {
	bad := errors.New("zip archive is damaged: its zip64 record contradicts its end")
	position -= lengthEnd64
	if position < 0 || le.Uint64(locator[8:]) != uint64(position) || le.Uint32(locator[4:]) != 0 {
		return end{}, 0, bad
	}
	record := make([]byte, lengthEnd64)
	if _, err := r.ReadAt(record, position); err != nil {
		return end{}, 0, fmt.Errorf("read the zip64 record: %w", err)
	}
	entries, size, offset := le.Uint64(record[32:]), le.Uint64(record[40:]), le.Uint64(record[48:])
	if le.Uint32(record) != signatureEnd64 || le.Uint64(record[4:]) != lengthEnd64-12 || le.Uint64(record[16:]) != 0 ||
		entries != le.Uint64(record[24:]) || entries > 1<<31 || size > 1<<62 || offset > 1<<62 {
		return end{}, 0, bad
	}
	if old.entries != 1<<16-1 && old.entries != int(entries) ||
		old.directorySize != 1<<32-1 && old.directorySize != int64(size) ||
		old.directoryOffset != 1<<32-1 && old.directoryOffset != int64(offset) {
		return end{}, 0, bad
	}
	return end{int(entries), int64(size), int64(offset)}, position, nil
}

// parseCentral takes one entry off the directory.
func parseCentral(b []byte) (e *Entry, rest []byte, err error) {
	if len(b) < lengthCentral || le.Uint32(b) != signatureCentral {
		return nil, nil, errors.New("zip archive is damaged: its directory ends early")
	}
	nameLength, extraLength := int(le.Uint16(b[28:])), int(le.Uint16(b[30:]))
	total := lengthCentral + nameLength + extraLength + int(le.Uint16(b[32:]))
	if len(b) < total {
		return nil, nil, errors.New("zip archive is damaged: its directory ends early")
	}
	e = &Entry{
		Name:   string(b[lengthCentral : lengthCentral+nameLength]),
		flags:  le.Uint16(b[8:]),
		method: le.Uint16(b[10:]),
		crc:    le.Uint32(b[16:]),
		packed: int64(le.Uint32(b[20:])),
		Size:   int64(le.Uint32(b[24:])),
		header: int64(le.Uint32(b[42:])),
	}
	extra := b[lengthCentral+nameLength : lengthCentral+nameLength+extraLength]
	if err := zip64(extra, &e.Size, &e.packed, &e.header); err != nil {
		return nil, nil, fmt.Errorf("zip entry %q: %w", e.Name, err)
	}
	if err := e.check(); err != nil {
		return nil, nil, fmt.Errorf("zip entry %q: %w", e.Name, err)
	}
	return e, b[total:], nil
}

// zip64 replaces the fields that are all ones by those of the zip64 extra field.
func zip64(extra []byte, fields ...*int64) error {
	for len(extra) >= 4 {
		tag, length := le.Uint16(extra), int(le.Uint16(extra[2:]))
		extra = extra[4:]
		if length > len(extra) {
			return errors.New("extra field ends early")
		}
		if tag == 1 {
			data := extra[:length]
			for _, field := range fields {
				if *field != 1<<32-1 {
					continue
				}
				if len(data) < 8 || le.Uint64(data) > 1<<62 {
					return errors.New("bad zip64 sizes")
				}
				*field, data = int64(le.Uint64(data)), data[8:]
			}
			return nil
		}
		extra = extra[length:]
	}
	return nil
}

// check refuses what is not read, and sizes that cannot be.
func (e *Entry) check() error {
	switch {
	case e.flags&^flagsAllowed != 0:
		return fmt.Errorf("encrypted or otherwise unusual (flags %#x)", e.flags)
	case e.method != stored && e.method != deflated:
		return fmt.Errorf("compression method %d is not known", e.method)
	case e.method == stored && e.packed != e.Size:
		return errors.New("stored, yet two different sizes")
	case e.Size/maxRatio > e.packed || e.Size > bombSize && e.Size/bombRatio > e.packed:
		return fmt.Errorf("%d bytes claim to unpack to %d", e.packed, e.Size)
	case !utf8.ValidString(e.Name) || e.Name == "" || strings.ContainsAny(e.Name, "\x00\\") ||
		strings.HasPrefix(e.Name, "/") || slices.Contains(strings.Split(e.Name, "/"), ".."):
		return errors.New("unsafe name")
	case strings.HasSuffix(e.Name, "/") && e.Size > 0:
		return errors.New("a directory with content")
	}
	return nil
}

// checkLocal compares the local header with the entry of the directory, which
// starts at limit, and sets where the data lies.
func (e *Entry) checkLocal(limit int64) error {
	if e.header > limit-lengthLocal {
		return errors.New("lies outside the archive")
	}
	b := make([]byte, lengthLocal)
	if _, err := e.archive.ReadAt(b, e.header); err != nil {
		return err
	}
	nameLength, extraLength := int64(le.Uint16(b[26:])), int64(le.Uint16(b[28:]))
	e.dataOffset = e.header + lengthLocal + nameLength + extraLength
	if le.Uint32(b) != signatureLocal || e.dataOffset > limit || e.packed > limit-e.dataOffset {
		return errors.New("damaged, or it lies outside the archive")
	}
	variable := make([]byte, nameLength+extraLength)
	if _, err := e.archive.ReadAt(variable, e.header+lengthLocal); err != nil {
		return err
	}
	crc, packed, size := le.Uint32(b[14:]), int64(le.Uint32(b[18:])), int64(le.Uint32(b[22:]))
	if err := zip64(variable[nameLength:], &size, &packed); err != nil {
		return err
	}
	if e.flags&flagDescriptor != 0 { // these may follow the data instead
		if crc == 0 {
			crc = e.crc
		}
		if packed == 0 && size == 0 {
			packed, size = e.packed, e.Size
		}
	}
	if string(variable[:nameLength]) != e.Name || le.Uint16(b[6:]) != e.flags || le.Uint16(b[8:]) != e.method ||
		crc != e.crc || packed != e.packed || size != e.Size {
		return errors.New("its two headers contradict each other")
	}
	if e.flags&flagDescriptor != 0 {
		return e.checkDescriptor(limit)
	}
	return nil
}

// checkDescriptor compares the CRC of the record after the data, which may start
// with a signature or not.
func (e *Entry) checkDescriptor(limit int64) error {
	b := make([]byte, 8)
	at := e.dataOffset + e.packed
	if at > limit-int64(len(b)) {
		return errors.New("its data descriptor is missing")
	}
	if _, err := e.archive.ReadAt(b, at); err != nil {
		return err
	}
	if le.Uint32(b) != e.crc && (le.Uint32(b) != signatureDescriptor || le.Uint32(b[4:]) != e.crc) {
		return errors.New("its data descriptor contradicts its headers")
	}
	return nil
}

// Stored is the entry's data as it lies in the archive, at its offset there; false
// where it is compressed. Its CRC is not compared: Open and ReadAll do.
func (e *Entry) Stored() (data *io.SectionReader, offset int64, ok bool) {
	return io.NewSectionReader(e.archive, e.dataOffset, e.packed), e.dataOffset, e.method == stored
}

// Open reads the unpacked data. In place of the end, an error is returned where the
// data has another size or CRC than the archive says.
func (e *Entry) Open() io.Reader {
	var data io.Reader = io.NewSectionReader(e.archive, e.dataOffset, e.packed)
	if e.method == deflated {
		data = flate.NewReader(data)
	}
	return &checker{entry: e, data: data}
}

type checker struct {
	entry *Entry
	data  io.Reader
	n     int64
	crc   uint32
	err   error
}

func (c *checker) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.data.Read(p)
	c.n += int64(n)
	c.crc = crc32.Update(c.crc, crc32.IEEETable, p[:n])
	switch {
	case c.n > c.entry.Size || errors.Is(err, io.EOF) && c.n < c.entry.Size:
		err = fmt.Errorf("zip entry %q: not of the %d bytes that the archive says", c.entry.Name, c.entry.Size)
	case errors.Is(err, io.EOF) && c.crc != c.entry.crc:
		err = fmt.Errorf("zip entry %q is damaged: its CRC is %08x, not %08x", c.entry.Name, c.crc, c.entry.crc)
	case err != nil && !errors.Is(err, io.EOF):
		err = fmt.Errorf("zip entry %q is damaged: %w", c.entry.Name, err)
	}
	c.err = err
	return n, err
}

// ReadAll is the unpacked data, its size and CRC compared. Memory grows with what
// is there, not with what is claimed.
func (e *Entry) ReadAll() ([]byte, error) {
	const start = 1 << 20
	r := e.Open()
	b := make([]byte, 0, min(e.Size, max(e.packed, start)))
	for int64(len(b)) < e.Size {
		if len(b) == cap(b) {
			b = slices.Grow(b, int(min(int64(len(b)), e.Size-int64(len(b)))))
		}
		n, err := r.Read(b[len(b):min(int64(cap(b)), e.Size)])
		b = b[:len(b)+n]
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
	}
	// The CRC is compared at the end, and only the end may follow.
	if _, err := io.ReadFull(r, make([]byte, 1)); !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b, nil
}
