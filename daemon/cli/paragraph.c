#include "outhook/cli/paragraph.h"

#include "outhook/cli/text.h"

#include <stdio.h>
#include <string.h>

static void print_styled(enum terminal_style style, int columns, const char *text, size_t length) {
    const char *sequence = style == STYLE_PLAIN ? "" : terminal_style(style);
    printf("%s%-*.*s%s", sequence, columns, (int)length, text,
           *sequence ? terminal_style(STYLE_PLAIN) : "");
}

static void print_line(struct paragraph form, const char *label, const char *bytes, size_t length) {
    struct buffer line = {0};
    text_append(&line, bytes, length, TEXT_UNBOUNDED);
    while (line.length && line.data[line.length - 1] == ' ')
        line.length--;
    print_styled(form.label_style, form.label_columns, label, strlen(label));
    print_styled(form.style, 0, buffer_text(&line), line.length);
    printf("\n");
    buffer_free(&line);
}

void paragraph_print(struct paragraph form, const char *label, struct buffer *text) {
    int columns = terminal_columns() - form.label_columns;
    const char *at = buffer_text(text);
    size_t left = text->length;
    do {
        size_t part = text_break(at, left, columns);
        print_line(form, label, at, part);
        label = "";
        at += part;
        left -= part;
    } while (left);
    buffer_clear(text);
}
