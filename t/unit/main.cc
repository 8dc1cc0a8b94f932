// The runner of every unit test program. Arguments: names of suites or tests
// to run ("BufferTest::appends"); none runs all; `--suites` prints the suites'
// names. Prints each test's name and verdict, and closes with "N passed, N failed".
#include <cppunit/BriefTestProgressListener.h>
#include <cppunit/CompilerOutputter.h>
#include <cppunit/TestResult.h>
#include <cppunit/TestResultCollector.h>
#include <cppunit/TestRunner.h>
#include <cppunit/extensions/TestFactoryRegistry.h>

#include <csignal>
#include <cstdio>
#include <iostream>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

// A suite is found by its name, so there cannot be two of one.
int print_suites(const CppUnit::Test& all) {
  std::set<std::string> names;
  for (int i = 0; i < all.getChildTestCount(); ++i) {
    const std::string name = all.getChildTestAt(i)->getName();
    if (!names.insert(name).second) {
      std::cerr << "two suites are called " << name << '\n';
      return 2;
    }
  }
  for (const std::string& name : names) std::cout << name << '\n';
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // as the daemon does
  CppUnit::TestResult controller;
  CppUnit::TestResultCollector collector;
  CppUnit::BriefTestProgressListener progress;
  controller.addListener(&collector);
  controller.addListener(&progress);
  CppUnit::TestRunner runner;
  CppUnit::Test* const all = CppUnit::TestFactoryRegistry::getRegistry().makeTest();
  runner.addTest(all);  // which owns it
  if (argc == 2 && argv[1] == std::string_view("--suites")) return print_suites(*all);
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
