#include "outhook/cli/table.h"

#include "outhook/base/memory.h"
#include "outhook/cli/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TABLE_GAP = 2 };

void table_init(struct table *table, const struct table_column *columns, int column_count) {
    *table = (struct table){.columns = columns, .column_count = column_count};
}

void table_add(struct table *table, const char *text, enum terminal_style style) {
    table->cells = memory_resize(table->cells, table->cell_count + 1, sizeof *table->cells);
    table->cells[table->cell_count++] =
        (struct table_cell){memory_copy_string(text ? text : ""), style};
}

void table_add_age(struct table *table, int64_t ms, bool there) {
    struct buffer text = {0};
    if (there)
        text_append_age(&text, ms);
    table_add(table, buffer_text(&text), STYLE_PLAIN);
    buffer_free(&text);
}

static void table_clear(struct table *table) {
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i].text);
    table->cell_count = 0;
}

void table_free(struct table *table) {
    table_clear(table);
    free(table->cells);
    *table = (struct table){0};
}

/* ---- widths ---------------------------------------------------------------------------------- */

/* A column in which nothing stands needs no place. */
static void table_measure(struct table *table) {
    size_t count = (size_t)table->column_count;
    for (size_t i = 0; i < table->cell_count; i++) {
        const char *text = table->cells[i].text;
        const char *title = table->columns[i % count].title;
        int *width = &table->widths[i % count];
        int columns = text_columns(text, strlen(text));
        int least = columns ? text_columns(title, strlen(title)) : 0;
        columns = columns > least ? columns : least;
        *width = *width > columns ? *width : columns;
    }
}

static int table_total(const struct table *table) {
    int total = 0;
    for (int i = 0; i < table->column_count; i++)
        total += table->widths[i] ? table->widths[i] + (total ? TABLE_GAP : 0) : 0;
    return total;
}

/* The widest column that may still shrink, or -1. */
static int table_widest(const struct table *table) {
    int widest = -1;
    for (int i = 0; i < table->column_count; i++) {
        const struct table_column *column = &table->columns[i];
        if (column->least && table->widths[i] > column->least &&
            (widest < 0 || table->widths[i] > table->widths[widest]))
            widest = i;
    }
    return widest;
}

/* The column to leave out next, or -1. */
static int table_dispensable(const struct table *table) {
    int found = -1;
    for (int i = 0; i < table->column_count; i++)
        if (table->widths[i] && table->columns[i].rank &&
            (found < 0 || table->columns[i].rank > table->columns[found].rank))
            found = i;
    return found;
}

/* Tries with the columns there are; if they don't fit even when shrunk, with one less. */
static void table_fit(struct table *table, int columns) {
    int natural[TABLE_COLUMNS_MAX];
    memcpy(natural, table->widths, sizeof natural);
    while (table_total(table) > columns) {
        int shrink = table_widest(table);
        if (shrink >= 0) {
            table->widths[shrink]--;
            continue;
        }
        int leave = table_dispensable(table);
        if (leave < 0)
            return;
        natural[leave] = 0;
        memcpy(table->widths, natural, sizeof natural);
    }
}

/* ---- printing -------------------------------------------------------------------------------- */

static void line_pad(struct buffer *line, int columns) {
    if (columns > 0)
        buffer_print(line, "%*s", columns, "");
}

static void line_add(struct buffer *line, const char *text, enum terminal_style style, int width,
                     bool right) {
    struct buffer cell = {0};
    const char *sequence = style == STYLE_PLAIN ? "" : terminal_style(style);
    int used = text_append(&cell, text, strlen(text), width);
    if (right)
        line_pad(line, width - used);
    buffer_print(line, "%s%s%s", sequence, buffer_text(&cell),
                 *sequence ? terminal_style(STYLE_PLAIN) : "");
    if (!right)
        line_pad(line, width - used);
    buffer_free(&cell);
}

/* Prints a row, or the titles for NULL. */
static void table_print_row(const struct table *table, const struct table_cell *row) {
    struct buffer line = {0};
    for (int i = 0; i < table->column_count; i++) {
        if (!table->widths[i])
            continue;
        line_pad(&line, line.length ? TABLE_GAP : 0);
        const struct table_column *column = &table->columns[i];
        line_add(&line, row ? row[i].text : column->title, row ? row[i].style : STYLE_BOLD,
                 table->widths[i], column->right);
    }
    size_t length = line.length;
    while (length && line.data[length - 1] == ' ')
        length--;
    printf("%.*s\n", (int)length, buffer_text(&line));
    buffer_free(&line);
}

void table_print(struct table *table, int columns) {
    if (!table->cell_count)
        return;
    table_measure(table);
    table_fit(table, columns);
    if (!table->titled)
        table_print_row(table, NULL);
    table->titled = true;
    for (size_t i = 0; i < table->cell_count; i += (size_t)table->column_count)
        table_print_row(table, &table->cells[i]);
    table_clear(table);
}
