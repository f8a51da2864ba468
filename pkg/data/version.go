package data

import "github.com/open-retina/openretina-go/pkg/data/internal/hdf5"

// HDF5Version is the version of the HDF5 library in use, such as "2.0.0".
func HDF5Version() (string, error) { return hdf5.Version() }
