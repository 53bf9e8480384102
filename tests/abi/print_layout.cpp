// Prints the layout of the C border, for layout.golden.
#include <iostream>

#include "layout.hpp"

int main() {
  std::cout << abi_layout();
}
