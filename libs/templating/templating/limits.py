"""How much one part of a template may ask for. Templates are written by callers: none may stall or fill a worker.

With these, the worst sources known to the tests (nested loops, doubling strings, huge ranges) are stopped within about
a quarter of a second and a few tens of megabytes.
"""

MAX_SOURCE_BYTES = 256 * 1024
MAX_MARKUPS = 2_000  # {{ }} and {% %} in one part; Liquid parses about 30,000 a second
MAX_MARKUP_CHARS = 1_000
MAX_MARKUP_CHARS_IN_ALL = 64 * 1024  # a filter needs five: Liquid parses about 30,000 of those a second, too
MAX_MARKUP_BLANKS = 100  # in a row: the Liquid lexer backtracks quadratically over blanks inside a markup
MAX_NESTING = 20
MAX_ITERATIONS = 10_000
MAX_STEPS = 30_000  # nodes rendered, see MeteredContext
MAX_VALUE_CHARS = 256 * 1024  # what one output or one filter may take or give
MAX_FILTER_CHARS = {"date": 100, "strip_html": 20_000}  # less, where a character costs more
MAX_OUTPUT_BYTES = 1024 * 1024
MAX_PUSH_TEXT_BYTES = 2_000  # of what is made from an e-mail's parts: FCM takes 4,096 for everything
MAX_TAGS_FOR_TEXT = 50_000  # HTML tags in what is made into text, at about 4 microseconds each
