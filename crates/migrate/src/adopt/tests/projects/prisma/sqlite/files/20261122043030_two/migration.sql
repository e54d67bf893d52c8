-- CreateTable
CREATE TABLE "two" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "note" TEXT DEFAULT 'a;b',
    CONSTRAINT "two_id_fkey" FOREIGN KEY ("id") REFERENCES "one" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_one" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT
);
INSERT INTO "new_one" ("id") SELECT "id" FROM "one";
DROP TABLE "one";
ALTER TABLE "new_one" RENAME TO "one";
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;
