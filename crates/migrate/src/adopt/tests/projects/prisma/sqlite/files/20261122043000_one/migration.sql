-- CreateTable
CREATE TABLE "one" (
    "extra" TEXT,
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT
);
