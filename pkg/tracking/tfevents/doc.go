// Package tfevents writes TensorBoard's event files: records of TensorFlow's
// TFRecord format that hold Event messages (tensorboard/compat/proto/event.proto,
// summary.proto; plugins/hparams/plugin_data.proto), as torch.utils.tensorboard
// writes them.
package tfevents
