package fileio_test

import (
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/fileio"
)

func TestDescribe(t *testing.T) {
	for head, want := range map[string]string{
		"":                              "an empty file",
		"version https://git-lfs.x/1\n": "git-lfs pointer",
		"\n<!DOCTYPE HTML><title>":      "an HTML page",
		"<html>":                        "an HTML page",
		"<?xml version=":                "an XML file",
		"PK\x03\x04rest":                "a zip archive",
		"\x80\x02}q":                    "a pickle",
		"{\"a\": 1}":                    "a JSON",
		"\x00\x00\x00\x00":              "a file of zeros",
		"hello größe \xe6":              "a text file",
		"\x01\x02\xff":                  "of an unknown format",
		"\xff\xfe":                      "of an unknown format",
	} {
		if got := fileio.Describe([]byte(head)); !strings.HasPrefix(got, want) && !strings.Contains(got, want) {
			t.Errorf("%q is %q, want %q", head, got, want)
		}
	}
}
