package tfevents

// HParam is a hyperparameter; its Value is a float64 or a string.
type HParam struct {
	Name  string
	Value any
}

// Fields of the messages of the hparams plugin, and the tags under which it looks for
// them.
const (
	hparamsPlugin   = "hparams"
	experimentTag   = "_hparams_/experiment"
	sessionStartTag = "_hparams_/session_start_info"
	sessionEndTag   = "_hparams_/session_end_info"

	dataExperiment, dataSessionStart, dataSessionEnd = 2, 3, 4

	experimentParams, experimentMetrics = 4, 5
	infoName, infoType                  = 1, 4
	typeString, typeFloat64             = 1, 3
	metricName, metricTag               = 1, 2

	startParams         = 1
	mapKey, mapValue    = 1, 2
	numberValue         = 2
	stringValue         = 3
	endStatus, endsWell = 1, 1
)

// HParams are the summaries that torch.utils.tensorboard.summary.hparams makes: the
// hyperparameters of a run, and the tags of the metrics that it is judged by. Each is an
// event of its own.
func HParams(params []HParam, metrics ...string) []Value {
	var experiment, start message
	for _, p := range params {
		var value message
		kind := uint64(typeString)
		if number, ok := p.Value.(float64); ok {
			kind, value = typeFloat64, value.double(numberValue, number)
		} else {
			text, _ := p.Value.(string)
			value = value.text(stringValue, text)
		}
		experiment = experiment.bytes(experimentParams, message(nil).text(infoName, p.Name).varint(infoType, kind))
		start = start.bytes(startParams, message(nil).text(mapKey, p.Name).bytes(mapValue, value))
	}
	for _, tag := range metrics {
		name := message(nil).text(metricTag, tag)
		experiment = experiment.bytes(experimentMetrics, message(nil).bytes(metricName, name))
	}
	end := message(nil).varint(endStatus, endsWell)
	return []Value{
		pluginData(experimentTag, hparamsPlugin, message(nil).bytes(dataExperiment, experiment)),
		pluginData(sessionStartTag, hparamsPlugin, message(nil).bytes(dataSessionStart, start)),
		pluginData(sessionEndTag, hparamsPlugin, message(nil).bytes(dataSessionEnd, end)),
	}
}
