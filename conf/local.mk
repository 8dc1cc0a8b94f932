# The shipped configuration. An existing impulse.conf is never overwritten.
EXTRA_DIST += conf/impulse.conf conf/quickstart.conf conf/impulsed.service.in
impulseconfdir = $(sysconfdir)/impulse

install-data-local:
	$(MKDIR_P) "$(DESTDIR)$(impulseconfdir)"
	test -e "$(DESTDIR)$(impulseconfdir)/impulse.conf" || \
	  $(INSTALL_DATA) $(srcdir)/conf/impulse.conf "$(DESTDIR)$(impulseconfdir)/impulse.conf"

# Only an unchanged file is ours to take away.
uninstall-local:
	if cmp -s $(srcdir)/conf/impulse.conf "$(DESTDIR)$(impulseconfdir)/impulse.conf"; then \
	  rm -f "$(DESTDIR)$(impulseconfdir)/impulse.conf"; fi
	-rmdir "$(DESTDIR)$(impulseconfdir)" 2>/dev/null

# For systemd; its folder is under the prefix, so that an installation anywhere
# stays where it was put.
if SYSTEMD
systemdunitdir = $(prefix)/lib/systemd/system
nodist_systemdunit_DATA = conf/impulsed.service
CLEANFILES += conf/impulsed.service
conf/impulsed.service: conf/impulsed.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) conf && sed -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@sysconfdir[@]|$(sysconfdir)|g' \
	  $(srcdir)/conf/impulsed.service.in >$@
endif
