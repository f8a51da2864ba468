// Package retina simulates a retina whose every cell is known: natural-like
// movies, linear-nonlinear cells and cells with rectified subunits, and their
// Poisson spikes. All of it is arithmetic in a fixed order, so that a seed gives
// the same bits on every machine.
package retina
