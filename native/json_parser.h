// Whether a thread is inside of V8's parser of JSON, as seen from where a collection begins. There, V8 can tell its
// stack: JavaScript waits in a call. Where optimized code has allocated itself V8 cannot, and would end the process,
// and nothing that V8 tells says which of the two it is. The native stack does: it is walked as for a C++ exception,
// and the addresses of the parser's functions are those of the symbol table of Node's own file.
//
// A file without symbols (`strip`, and no dynamic ones, as of Node 24) has no such addresses: the answer is always no.
#pragma once

namespace percore {

// Finds the addresses, once for the process: reads some 20 MB of Node's file. Any thread, not a hurried one.
void findJsonParser();
// In the thread itself. False until the addresses are found.
bool isInJsonParser();

}  // namespace percore
