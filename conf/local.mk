# The shipped configuration. An existing impulse.conf is never overwritten.
EXTRA_DIST += conf/impulse.conf conf/quickstart.conf
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
