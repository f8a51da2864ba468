package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"

	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
	"github.com/open-retina/openretina-go/pkg/train"
)

// modelFiles are the files of a model: one, or those of the members of an ensemble.
type modelFiles []string

// String names the files as --model takes them.
func (m modelFiles) String() string { return strings.Join(m, ",") }

// digest is the file's, or one of all members' in their order.
func (m modelFiles) digest() (string, error) {
	if len(m) == 1 {
		return checkpoint.Digest(m[0])
	}
	all := sha256.New()
	for _, file := range m {
		digest, err := checkpoint.Digest(file)
		if err != nil {
			return "", err
		}
		all.Write([]byte(digest))
	}
	return hex.EncodeToString(all.Sum(nil)), nil
}

// resolveFiles is ResolveModel of a word that may also mean an ensemble: a directory
// of one, or words with commas between them.
func (f *Factory) resolveFiles(ctx context.Context, word string) (modelFiles, error) {
	if isEnsemble(word) {
		return train.EnsembleMembers(word)
	}
	var files modelFiles
	for _, word := range memberWords(word) {
		file, err := f.ResolveModel(ctx, word)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

// isEnsemble tells that a word means the directory of an ensemble.
func isEnsemble(word string) bool { return !isHubModel(word) && train.IsEnsemble(word) }

// memberWords are the words of an ensemble's members; the word itself where it is a
// file or has no comma.
func memberWords(word string) []string {
	if _, err := os.Stat(word); err == nil {
		return []string{word}
	}
	return strings.Split(word, ",")
}
