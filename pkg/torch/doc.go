// Package torch is libtorch for the rest of the program: tensors that belong to
// scopes, operations that are a scope's methods, errors that stick.
//
//	err := torch.Do(ctx, torch.Inference, func(s *torch.Scope) error {
//		x := s.FromFloat32(stimulus, 1, 2, 50, 18, 16)
//		y := s.Softplus(s.Conv3D(x, weight, nil, torch.Conv3DOptions{}))
//		responses, err := s.Float32s(y) // the first error of all the above
//		...
//	})
//
// A Scope owns the tensors that its operations make, and Close frees them all.
// The first error sticks to the scope, later operations do nothing and give nil,
// so tensor code reads like mathematics; whatever leaves tensor land (a shape, a
// number, a copy of values) returns that error.
//
// libtorch runs on a few OS threads that live as long as the process; Do hands its
// function to one of them.
//
// Freeing a tensor here never breaks a backward pass: autograd holds its own
// references. A tensor that must outlive its scope is moved by Keep.
package torch
