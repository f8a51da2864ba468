package retina

import (
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// Parallel runs n independent jobs on all cores until the first error or until
// ctx ends.
func Parallel(ctx context.Context, n int, job func(i int) error) error {
	group, running := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range n {
		group.Go(func() error {
			if running.Err() != nil {
				return context.Cause(running)
			}
			return job(i)
		})
	}
	return group.Wait()
}
