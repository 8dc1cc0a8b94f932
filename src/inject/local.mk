noinst_LIBRARIES += libinject.a
libinject_a_SOURCES = \
	src/inject/injector.cc src/inject/injector.h
