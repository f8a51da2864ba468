package tfevents

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// A record is the length of its data (8 bytes), a checksum of these, the data, and a
// checksum of the data; numbers are little endian.
const (
	lengthSize   = 8
	checksumSize = 4
	headerSize   = lengthSize + checksumSize
	// maxRecord bounds what a file may claim: pictures are far smaller.
	maxRecord = 1 << 30
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is a CRC-32C, masked as TFRecord files want it.
func checksum(data []byte) uint32 {
	sum := crc32.Checksum(data, castagnoli)
	return (sum>>15 | sum<<17) + 0xa282ead8
}

// appendRecord appends the record of data.
func appendRecord(b, data []byte) []byte {
	length := len(b)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(data)))
	b = binary.LittleEndian.AppendUint32(b, checksum(b[length:]))
	b = append(b, data...)
	return binary.LittleEndian.AppendUint32(b, checksum(data))
}

// ErrTorn is the error of a record that is not whole: its writer was killed, or the
// file is none of TFRecords.
var ErrTorn = errors.New("the record is not whole")

// ReadRecord reads the data of the next record. Its error is io.EOF at the end of
// the file and ErrTorn where the rest of it is no record.
func ReadRecord(r io.Reader) ([]byte, error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, torn(err)
	}
	length := binary.LittleEndian.Uint64(header[:])
	if binary.LittleEndian.Uint32(header[lengthSize:]) != checksum(header[:lengthSize]) || length > maxRecord {
		return nil, ErrTorn
	}
	data, err := io.ReadAll(io.LimitReader(r, int64(length)+checksumSize)) // grows with what is there
	if err != nil {
		return nil, err
	}
	if uint64(len(data)) != length+checksumSize {
		return nil, ErrTorn
	}
	data, sum := data[:length], data[length:]
	if binary.LittleEndian.Uint32(sum) != checksum(data) {
		return nil, ErrTorn
	}
	return data, nil
}

func torn(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrTorn
	}
	return err
}

// Cut shortens a file to size bytes, where a record ended. A file that is shorter
// loses what follows its last whole record.
func Cut(path string, size int64) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() < size {
		if size, err = wholeRecords(path); err != nil {
			return err
		}
	}
	if info.Size() == size {
		return nil
	}
	return os.Truncate(path, size)
}

// wholeRecords is the size of the records at the start of a file that are whole.
func wholeRecords(path string) (size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }() // it was only read
	for r := bufio.NewReader(f); ; {
		data, err := ReadRecord(r)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, ErrTorn):
			return size, nil
		case err != nil:
			return 0, fmt.Errorf("%s: %w", path, err)
		}
		size += headerSize + int64(len(data)) + checksumSize
	}
}
