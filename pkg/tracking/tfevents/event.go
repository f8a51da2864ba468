package tfevents

import (
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Event is an entry of an event file.
type Event struct {
	Time   time.Time
	Step   int64
	Values []Value
	// Restart tells readers to forget what they know of this step and later ones: the
	// writer continues from an earlier state.
	Restart bool

	version, writer string // of the file, in its first event
}

// Value is what an event says under a tag.
type Value struct {
	tag    string
	append func(message) message // the fields beside the tag
}

// Fields of the messages of event.proto and summary.proto.
const (
	eventTime, eventStep, eventVersion, eventSummary, eventSession, eventSource = 1, 2, 3, 5, 7, 10

	sourceWriter  = 1
	sessionStatus = 1
	sessionStart  = 1 // a value of the status

	summaryValue                                     = 1
	valueTag, valueScalar, valueImage, valueMetadata = 1, 2, 4, 9

	imageHeight, imageWidth, imageColorspace, imageBytes = 1, 2, 3, 4

	metadataPlugin            = 1
	pluginName, pluginContent = 1, 2
)

// Scalar is a number; the files hold it as float32.
func Scalar(tag string, value float64) Value {
	return Value{tag, func(m message) message { return m.float(valueScalar, float32(value)) }}
}

// Picture is an encoded picture (PNG or JPEG) of channels (1 grey, 3 RGB, 4 RGBA), sizes
// in pixels.
func Picture(tag string, encoded []byte, height, width, channels int) Value {
	image := message(nil).varint(imageHeight, uint64(height)).varint(imageWidth, uint64(width)).
		varint(imageColorspace, uint64(channels)).bytes(imageBytes, encoded)
	return Value{tag, func(m message) message { return m.bytes(valueImage, image) }}
}

// pluginData is what a plugin of TensorBoard reads.
func pluginData(tag, plugin string, content []byte) Value {
	data := message(nil).text(pluginName, plugin).bytes(pluginContent, content)
	return Value{tag, func(m message) message { return m.bytes(valueMetadata, message(nil).bytes(metadataPlugin, data)) }}
}

// encode gives the message of an event. Fields that hold their default are left out.
func (e Event) encode() []byte {
	m := message(nil).double(eventTime, float64(e.Time.UnixNano())/1e9)
	if e.Step != 0 {
		m = m.varint(eventStep, uint64(e.Step))
	}
	if e.version != "" {
		m = m.text(eventVersion, e.version)
	}
	if len(e.Values) > 0 {
		var summary message
		for _, v := range e.Values {
			summary = summary.bytes(summaryValue, v.append(message(nil).text(valueTag, v.tag)))
		}
		m = m.bytes(eventSummary, summary)
	}
	if e.Restart {
		m = m.bytes(eventSession, message(nil).varint(sessionStatus, sessionStart))
	}
	if e.writer != "" {
		m = m.bytes(eventSource, message(nil).text(sourceWriter, e.writer))
	}
	return m
}

// message is an encoded protocol buffer that grows by fields.
type message []byte

func (m message) varint(field protowire.Number, v uint64) message {
	return protowire.AppendVarint(protowire.AppendTag(m, field, protowire.VarintType), v)
}

func (m message) double(field protowire.Number, v float64) message {
	return protowire.AppendFixed64(protowire.AppendTag(m, field, protowire.Fixed64Type), math.Float64bits(v))
}

func (m message) float(field protowire.Number, v float32) message {
	return protowire.AppendFixed32(protowire.AppendTag(m, field, protowire.Fixed32Type), math.Float32bits(v))
}

func (m message) bytes(field protowire.Number, v []byte) message {
	return protowire.AppendBytes(protowire.AppendTag(m, field, protowire.BytesType), v)
}

func (m message) text(field protowire.Number, v string) message {
	return protowire.AppendString(protowire.AppendTag(m, field, protowire.BytesType), v)
}
