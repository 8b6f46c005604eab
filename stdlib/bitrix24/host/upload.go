package host

import (
	"bytes"
	"context"
	"encoding/json"
	"mime/multipart"
	"net/http"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/netx"
)

// upload sends a long recording to the address that attachRecord has named,
// which must be the portal's own. What the portal answers is not documented
// but for errors, which look like those of a method.
func (c *Connector) upload(ctx context.Context, result json.RawMessage, name string, data []byte) error {
	var to struct {
		URL   string `json:"uploadUrl"`
		Field string `json:"fieldName"`
	}
	if err := json.Unmarshal(result, &to); err != nil || to.URL == "" || !sameHost(to.URL, c.cfg.Portal) {
		return fault.New(fault.Unavailable, "bitrix24: attachRecord has named no address of the portal")
	}
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	part, err := w.CreateFormFile(to.Field, name)
	if err != nil {
		return err
	}
	if _, err := part.Write(data); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	if err := c.bucket.Wait(ctx, false); err != nil {
		return err
	}
	res, err := c.serv.HTTP.Do(ctx, netx.Request{
		Method: http.MethodPost, URL: to.URL, Body: body.Bytes(), Timeout: requestTimeout, Redirect: "error",
		Header: http.Header{"Content-Type": {w.FormDataContentType()}},
	})
	if err != nil {
		return networkFault(ctx, err)
	}
	_, err = c.parse("upload", res)
	return c.explain("attachRecord", err)
}
