package npy

import (
	"fmt"
	"io"

	"github.com/open-retina/openretina-go/pkg/fileio"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// WritePartsFile writes an .npy file of a type and shape known ahead, durably. Its
// elements, in C order, are those of the arrays that fill hands to add, one after
// the other and together as many as the shape has; no more than one array is in
// memory. The file is there when all of it is: an error, of fill too, leaves what
// was at path before. An error of fill is returned as it is.
func WritePartsFile(path string, dtype ndarray.DType, shape []int, fill func(add func(*ndarray.Array) error) error) error {
	var filling, writing error
	err := fileio.WriteFile(path, func(w io.Writer) error {
		return WriteParts(w, dtype, shape, func(add func(*ndarray.Array) error) error {
			filling = fill(func(part *ndarray.Array) error {
				if writing == nil {
					writing = add(part)
				}
				return writing
			})
			return filling
		})
	})
	if filling != nil && writing == nil {
		return filling // the file has no part in it
	}
	return err
}

// WriteParts is WritePartsFile to a stream.
func WriteParts(w io.Writer, dtype ndarray.DType, shape []int, fill func(add func(*ndarray.Array) error) error) error {
	h := &Header{DType: dtype, Shape: shape}
	left, err := h.Bytes()
	if err != nil {
		return err
	}
	header, err := h.encode()
	if err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	err = fill(func(part *ndarray.Array) error {
		if part.DType != dtype || int64(len(part.Data)) > left {
			return fmt.Errorf("a part of shape %v of %v does not fit into an array of shape %v of %v with %d bytes to go",
				part.Shape, part.DType, shape, dtype, left)
		}
		left -= int64(len(part.Data))
		_, err := w.Write(part.Data)
		return err
	})
	if err == nil && left > 0 {
		err = fmt.Errorf("an array of shape %v of %v was written but for %d bytes", shape, dtype, left)
	}
	return err
}
