import { ioSuite } from './io-suite.js';

ioSuite('io_uring');
