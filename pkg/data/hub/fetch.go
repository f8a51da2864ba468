package hub

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// Fetch is where a remote lies in the cache; it is brought there first if need
// be. A file is complete, and has the size and the digest that the hub gives,
// before it gets its name. What an interrupted fetch has brought is kept, and
// the next one goes on from there. Of a folder the missing files are fetched.
//
// The errors wrap ErrOffline, ErrNotFound, or the cause of ctx.
func (c *Client) Fetch(ctx context.Context, remote Remote) (local string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("download %s: %w", remote, err)
		}
	}()
	if err := checkPath(remote.Path); err != nil {
		return "", err
	}
	if c.Offline {
		return c.fetchOffline(remote)
	}
	k, err := openCache(c.CacheDir, true)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, k.close()) }()
	found, err := k.find(remote.Path)
	if err != nil && !errors.Is(err, errDamaged) {
		return "", err
	}
	if found != "" && !k.needsListing(remote.Path) {
		return found, nil
	}
	progress := c.newTracker(remote.Path)
	if !remote.Folder && found == "" {
		err = c.fetchFile(ctx, k, remote.Path, facts{}, progress)
	}
	if remote.Folder || found != "" || errors.Is(err, ErrNotFound) {
		err = c.fetchFolder(ctx, k, remote.Path, progress)
	}
	if err != nil {
		return "", c.explain(err, remote, k)
	}
	progress.finish()
	return k.local(remote.Path), nil
}

// needsListing is true for a folder that was put into the cache by hand: it may
// be incomplete, which only the hub can tell.
func (k *cache) needsListing(p string) bool {
	info, err := os.Stat(k.local(p))
	if err != nil || !info.IsDir() {
		return false
	}
	byHand, err := k.byHand(p)
	return err == nil && byHand
}

func (c *Client) fetchOffline(remote Remote) (string, error) {
	remedy := fmt.Sprintf("unset %s and run: openretina download %s", EnvOffline, remote)
	k, err := openCache(c.CacheDir, false)
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("%w, and there is no cache %s: %s", ErrOffline, c.CacheDir, remedy)
	}
	if err != nil {
		return "", err
	}
	found, err := k.find(remote.Path)
	if err = errors.Join(err, k.close()); err != nil {
		return "", fmt.Errorf("%w: %w: %s", ErrOffline, err, remedy)
	}
	if info, statErr := os.Stat(k.local(remote.Path)); found == "" && statErr == nil && info.IsDir() {
		return "", fmt.Errorf("%w, and the cache has only a part of the folder: %s", ErrOffline, remedy)
	}
	if found == "" {
		return "", fmt.Errorf("%w, and it is not in the cache: %s, or put it at %s", ErrOffline, remedy, k.local(remote.Path))
	}
	return found, nil
}

// explain adds to an error what the user can do.
func (c *Client) explain(err error, remote Remote, k *cache) error {
	switch {
	case errors.Is(err, errUnreachable):
		return fmt.Errorf("%w: check the network and %s, or put the file at %s", err, EnvEndpoint, k.local(remote.Path))
	case errors.Is(err, ErrNotFound):
		address, urlErr := c.URL(remote)
		if urlErr != nil {
			return urlErr
		}
		return fmt.Errorf("%w: no file or folder at %s", err, address)
	}
	return err
}

// Verify reads a cached file again and compares it with the digest that it was
// downloaded with. A file without a note has nothing to be compared with and
// gives false.
func (c *Client) Verify(ctx context.Context, remote Remote) (verified bool, err error) {
	if err := checkPath(remote.Path); err != nil {
		return false, err
	}
	k, err := openCache(c.CacheDir, false)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, k.close()) }()
	known, err := k.readNote(remote.Path)
	if err != nil || known == nil {
		return false, err
	}
	f, err := os.Open(k.local(remote.Path))
	if err != nil {
		return false, fmt.Errorf("verify %s: %w", remote, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum, _, err := digests(ctx, f, known.Size)
	if err != nil {
		return false, fmt.Errorf("verify %s: %w", remote, err)
	}
	if sum != known.SHA256 {
		return false, fmt.Errorf("%s: %w: its SHA-256 is not the noted one; remove it and download it again", k.local(remote.Path), errDamaged)
	}
	return true, nil
}
