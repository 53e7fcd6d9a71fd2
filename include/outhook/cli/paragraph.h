#ifndef OUTHOOK_CLI_PARAGRAPH_H
#define OUTHOOK_CLI_PARAGRAPH_H

/*
 * A label and what it labels, on as many of the terminal's lines as it takes: nothing is cut off.
 */

#include "outhook/base/buffer.h"
#include "outhook/cli/terminal.h"

struct paragraph {
    int label_columns;
    enum terminal_style label_style, style; /* STYLE_PLAIN: as it stands */
};

/* Prints the text, made safe for a terminal, and empties the buffer. */
void paragraph_print(struct paragraph form, const char *label, struct buffer *text);

#endif
