// The runner of every unit test program. Arguments: names of suites or tests
// to run ("BufferTest::appends"); none runs all. Prints each test's name and
// verdict, and closes with "N passed, N failed".
#include <cppunit/BriefTestProgressListener.h>
#include <cppunit/CompilerOutputter.h>
#include <cppunit/TestResult.h>
#include <cppunit/TestResultCollector.h>
#include <cppunit/TestRunner.h>
#include <cppunit/extensions/TestFactoryRegistry.h>

#include <csignal>
#include <cstdio>
#include <iostream>
#include <stdexcept>

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // as the daemon does
  CppUnit::TestResult controller;
  CppUnit::TestResultCollector collector;
  CppUnit::BriefTestProgressListener progress;
  controller.addListener(&collector);
  controller.addListener(&progress);
  CppUnit::TestRunner runner;
  runner.addTest(CppUnit::TestFactoryRegistry::getRegistry().makeTest());
  try {
    if (argc == 1) runner.run(controller);
    for (int i = 1; i < argc; ++i) runner.run(controller, argv[i]);
  } catch (const std::invalid_argument& error) {
    std::cerr << "no such test: " << error.what() << '\n';
    return 2;
  }
  CppUnit::CompilerOutputter(&collector, std::cerr).write();
  const auto failed = static_cast<long>(collector.testFailuresTotal());
  std::printf("%ld passed, %ld failed\n", static_cast<long>(collector.runTests()) - failed, failed);
  return collector.wasSuccessful() && collector.runTests() > 0 ? 0 : 1;
}
