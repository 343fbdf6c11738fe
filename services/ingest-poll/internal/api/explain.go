package api

import (
	"errors"
	"fmt"
	"net/url"

	"trunkline.internal/services/ingest-poll/internal/web"
)

// explain says what would help.
func explain(err error) error {
	var sent *url.Error
	if errors.As(err, &sent) {
		err = sent.Err // without the address, which is told anyway
	}
	if remedy := web.Remedy(err, "the API switched on"); remedy != "" {
		return fmt.Errorf("%s: %w", remedy, err)
	}
	return err
}
