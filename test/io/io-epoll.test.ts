import { ioSuite } from './io-suite.js';

ioSuite('epoll');
