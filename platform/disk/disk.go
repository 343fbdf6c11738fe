// Package disk tells how much room a folder's disk has.
package disk

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"
)

// Unknown is what Space gives where the system does not tell.
const Unknown = math.MaxUint64

var (
	freeDesc = prometheus.NewDesc("trunkline_disk_free_bytes", "How many bytes we may still write to the folder's disk.", []string{"folder"}, nil)
	sizeDesc = prometheus.NewDesc("trunkline_disk_size_bytes", "How many bytes the folder's disk has.", []string{"folder"}, nil)
)

// Folder is a collector of the disk of a folder. It tells nothing while there is
// no such folder: not every process keeps something.
type Folder string

// Describe implements prometheus.Collector.
func (Folder) Describe(out chan<- *prometheus.Desc) {
	out <- freeDesc
	out <- sizeDesc
}

// Collect implements prometheus.Collector.
func (f Folder) Collect(out chan<- prometheus.Metric) {
	free, size, err := Space(string(f))
	if err != nil || size == Unknown {
		return
	}
	out <- prometheus.MustNewConstMetric(freeDesc, prometheus.GaugeValue, float64(free), string(f))
	out <- prometheus.MustNewConstMetric(sizeDesc, prometheus.GaugeValue, float64(size), string(f))
}
