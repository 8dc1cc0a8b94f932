dist_man_MANS += doc/ec_console.1 doc/ec_passwd.1 doc/ec_inject.1 doc/ec_sendmail.1 doc/ec_show.1 doc/impulse-options.5 doc/impulse.conf.5 doc/impulsed.8 doc/validate_config.8
dist_doc_DATA = \
	doc/control-protocol.md \
	doc/delivery.md \
	doc/ecstream.md \
	doc/http-admin.md \
	doc/http-injection.md \
	doc/listeners.md \
	doc/logs.md \
	doc/messages.md \
	doc/openapi.json \
	doc/options.md \
	doc/spool-format.md
