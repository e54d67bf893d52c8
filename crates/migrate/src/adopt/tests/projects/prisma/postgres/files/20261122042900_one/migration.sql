-- CreateTable
CREATE TABLE "one" (
    "id" INTEGER NOT NULL,

    CONSTRAINT "one_pkey" PRIMARY KEY ("id")
);
