package fileio

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// SniffLength is the number of bytes that Describe looks at.
const SniffLength = 512

// signatures are starts of files, with what the file then is.
var signatures = []struct{ start, what string }{
	{"version https://git-lfs", "a git-lfs pointer, not the file itself; fetch it with 'git lfs pull' or download it again"},
	{"\x89HDF\r\n\x1a\n", "an HDF5 file"},
	{"\x93NUMPY", "an .npy file"},
	{"PK\x03\x04", "a zip archive"},
	{"PK\x05\x06", "an empty zip archive"},
	{"\x1f\x8b", "a gzip file"},
	{"\xfd7zXZ", "an xz file"},
	{"7z\xbc\xaf", "a 7z archive"},
	{"\x7fELF", "a program"},
	{"MZ", "a Windows program"},
	{"%PDF", "a PDF document"},
	{"\x89PNG", "a PNG picture"},
	{"GIF8", "a GIF picture"},
	{"\x80\x02", "a pickle"},
	{"\x80\x03", "a pickle"},
	{"\x80\x04", "a pickle"},
	{"\x80\x05", "a pickle"},
}

// Describe says what a file seems to be, from its first bytes, for the message
// that it is not what it should be.
func Describe(head []byte) string {
	if len(head) == 0 {
		return "an empty file"
	}
	for _, s := range signatures {
		if bytes.HasPrefix(head, []byte(s.start)) {
			return s.what
		}
	}
	head = head[:min(len(head), SniffLength)]
	text := strings.ToLower(strings.TrimSpace(string(head)))
	switch {
	case strings.HasPrefix(text, "<!doctype html"), strings.HasPrefix(text, "<html"):
		return "an HTML page, such as a login or an error page; download the file again"
	case strings.HasPrefix(text, "<?xml"):
		return "an XML file"
	case strings.HasPrefix(text, "{"), strings.HasPrefix(text, "["):
		return "a JSON or YAML text"
	case len(bytes.Trim(head, "\x00")) == 0:
		return "a file of zeros: the disk was full or the write was cut off"
	case isText(head):
		return "a text file"
	}
	return "of an unknown format"
}

// isText tells whether bytes, cut off anywhere, are UTF-8 without control characters.
func isText(head []byte) bool {
	for i := 0; i < len(head); {
		r, size := utf8.DecodeRune(head[i:])
		if r == utf8.RuneError && size == 1 {
			return len(head)-i < utf8.UTFMax && i > 0
		}
		if r < ' ' && r != '\n' && r != '\r' && r != '\t' {
			return false
		}
		i += size
	}
	return true
}
