// crash_driver WORK_DIR [FIRST_VERSION NAME]: saves as a long run does with max_keep_ckpts = 1; with a name, once, as the
// run after it. Exit code 1 and the message of what failed.
#include <cstdio>
#include <exception>
#include <string>

#include "contents.hpp"

using strata::test::Saver;

int main(int argc, char** argv) {
  try {
    const std::string work_dir = argv[1];
    if (argc == 4) {
      Saver(work_dir, std::stoi(argv[2])).save(argv[3]);
      return 0;
    }
    Saver run(work_dir);
    run.save("iter_1");
    run.save("iter_2");
    run.remove("iter_1");
    run.save("best", Saver::Last::kKeep);
    run.save("best", Saver::Last::kKeep);
    run.refresh("iter_2");
    run.save("iter_2");  // as when training goes over a step again, from an older checkpoint
    run.remove("best");
  } catch (const std::exception& e) {
    std::fputs(e.what(), stderr);
    return 1;
  }
  return 0;
}
