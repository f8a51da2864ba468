package pickle

import (
	"errors"

	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// What values take is counted, roughly and from above, while they are made: a program
// of a few bytes can make values of gigabytes, and an archive can hold it in less.
const (
	costOfOp        = 64  // a value on the stack, and later its place in a container
	costOfContainer = 160 // an empty dict is the largest
	costOfMemo      = 64
	costOfKey       = 4 * maxKeyText // of a tuple that is a key
	costOfItem      = 128            // of a container that a constructor copies

	leastMemory   = 64 << 20
	memoryPerByte = 64
)

var errMemory = errors.New("its values take too much memory for its size")

// extraCost are what operations take beside costOfOp.
var extraCost = [256]int{
	opEmptyDict: costOfContainer, opDict: costOfContainer, opEmptyList: costOfContainer, opList: costOfContainer,
	opEmptySet: costOfContainer, opFrozenSet: costOfContainer, opReduce: costOfContainer, opNewObj: costOfContainer,
	opNewObjEx: costOfContainer, opObj: costOfContainer, opInst: costOfContainer, opPersID: costOfContainer, opBinPersID: costOfContainer,
	opBuild: costOfContainer, opMemoize: costOfMemo, opPut: costOfMemo, opBinPut: costOfMemo, opLongBinPut: costOfMemo,
	opSetItem: costOfContainer, // of the first item of an object
}

// charge counts bytes.
func (d *decoder) charge(bytes int) error {
	if d.memory -= int64(bytes); d.memory < 0 {
		return errMemory
	}
	return nil
}

// chargeCopies counts what a constructor may copy of its arguments, or an object of
// its state.
func (d *decoder) chargeCopies(values ...any) error {
	for _, v := range values {
		if err := d.charge(sizeOf(v)); err != nil {
			return err
		}
	}
	return nil
}

// sizeOf is what a copy of a value takes, without what it refers to.
func sizeOf(v any) int {
	switch v := v.(type) {
	case string:
		return len(v)
	case []byte:
		return len(v)
	case Tuple:
		return costOfItem * len(v)
	case *List:
		return costOfItem * len(v.Items)
	case *Set:
		return costOfItem * len(v.Items)
	case *Dict:
		return costOfItem * v.Len()
	case *ndarray.Array:
		return len(v.Data)
	}
	return 0
}
